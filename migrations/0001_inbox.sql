-- The inbox: what was received, proven and kept.

-- Every request that was kept. Partitioned by month over its id: a UUIDv7 begins with its time, so the id alone is the
-- key and a look-up touches one partition. No DEFAULT partition: with one, detaching an old month would need an
-- exclusive lock. Partitions are made ahead by ensure_event_partitions().
CREATE TABLE events (
    id           uuid        PRIMARY KEY,
    provider     text        NOT NULL,
    endpoint     text        NOT NULL,
    external_id  text        NOT NULL, -- contains the provider's own id
    kind         text        NOT NULL, -- invoice.payment_failed, twilio.voice …
    subject      text,                 -- the call, message or customer
    received_at  timestamptz NOT NULL,
    occurred_at  timestamptz,          -- as far as the provider says
    method       text        NOT NULL,
    path         text        NOT NULL, -- path and query as signed
    headers      json        NOT NULL, -- [[name, value], …] in their order
    body         bytea       NOT NULL, -- raw
    signed_by    text        NOT NULL, -- variable[place], or unsigned
    flags        text[]      NOT NULL DEFAULT '{}'
) PARTITION BY RANGE (id);

CREATE INDEX events_subject ON events (subject, id) WHERE subject IS NOT NULL;

-- The narrow dedupe table: outlives partitions, so a replay years later still finds its key.
CREATE TABLE event_keys (
    key                 bytea       PRIMARY KEY CHECK (length(key) = 16),
    event_id            uuid        NOT NULL,
    first_seen          timestamptz NOT NULL,
    last_seen           timestamptz NOT NULL,
    times_seen          integer     NOT NULL DEFAULT 1,
    -- The answer that was given; emptied when no provider retries any more.
    answer_status       smallint,
    answer_content_type text,
    answer_body         bytea
) WITH (fillfactor = 90);

CREATE INDEX event_keys_answers ON event_keys (first_seen) WHERE answer_status IS NOT NULL;

-- Nonces that were signed in place of a body (Plivo V2): seen again with other content, the request is a forgery.
CREATE TABLE signature_nonces (
    nonce      bytea       PRIMARY KEY CHECK (length(nonce) = 32),
    rest       bytea       NOT NULL CHECK (length(rest) = 32),
    first_seen timestamptz NOT NULL
);

-- The small hot queue. A row is deleted when its event is done.
CREATE TABLE event_work (
    event_id uuid        PRIMARY KEY,
    due_at   timestamptz NOT NULL,
    attempts integer     NOT NULL DEFAULT 0,
    lease_until timestamptz,
    fence    bigint      NOT NULL DEFAULT 0,
    dead_at  timestamptz,
    error    text
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX event_work_due ON event_work (due_at) WHERE dead_at IS NULL;

-- Requests that were refused, sampled and bounded. Never the body.
CREATE TABLE rejections (
    id         uuid        PRIMARY KEY,
    at         timestamptz NOT NULL,
    endpoint   text        NOT NULL,
    method     text        NOT NULL,
    code       text        NOT NULL, -- what the sender was told
    cause      text        NOT NULL, -- what was wrong
    client     inet        NOT NULL,
    headers    json        NOT NULL  -- masked
);

-- The smallest id that a moment can have: 48 bits of milliseconds, then zeros.
CREATE FUNCTION uuid_floor(moment timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT
RETURN (rpad(lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0'), 32, '0'))::uuid;

-- Makes the partitions of the month of `moment`, of the month before it and of `ahead` months after it; tells how many
-- were missing. A new table is attached rather than created in place: attaching lets intake go on.
CREATE FUNCTION ensure_event_partitions(moment timestamptz, ahead integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    -- Months of UTC, whatever the session's zone.
    this_month timestamp := date_trunc('month', moment AT TIME ZONE 'UTC');
    first_day timestamp;
    partition text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('smartline.event_partitions'));
    FOR month IN -1..ahead LOOP
        first_day := this_month + make_interval(months => month);
        partition := 'events_' || to_char(first_day, 'YYYYMM');
        CONTINUE WHEN to_regclass(partition) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING ALL)', partition);
        EXECUTE format(
            'ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            partition,
            uuid_floor(first_day AT TIME ZONE 'UTC'),
            uuid_floor((first_day + interval '1 month') AT TIME ZONE 'UTC')
        );
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;
