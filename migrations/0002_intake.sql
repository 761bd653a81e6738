-- Intake by the batch: one call of append_events() keeps everything that waited, in one commit.

-- The dedupe keys in generations. A key is the hash of something random, so an index of all keys ever seen would be
-- written all over, a page for every key, and the log would grow with the table. Only the newest generation is written
-- to; the older ones are only looked at. A generation is closed when it has grown so large that its pages would no
-- longer be written to several times between two checkpoints.
ALTER TABLE event_keys RENAME TO event_keys_first;
ALTER INDEX event_keys_pkey RENAME TO event_keys_first_pkey;

CREATE TABLE event_keys (
    key         uuid        NOT NULL, -- 128 bits of a hash over the signed parts that make the event distinct
    generation  integer     NOT NULL,
    event_id    uuid        NOT NULL,
    first_seen  timestamptz NOT NULL,
    times_seen  integer     NOT NULL DEFAULT 1,
    last_seen   timestamptz,          -- NULL while it was seen once
    PRIMARY KEY (key, generation)
) PARTITION BY LIST (generation);

-- The one generation that takes new keys. Whoever adds keys holds the advisory lock below, shared, before the look at
-- this row; whoever changes the row holds it alone. So two copies of an event never go to two generations.
CREATE TABLE event_key_generation (
    one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    newest  integer NOT NULL
);
INSERT INTO event_key_generation (newest) VALUES (1);

-- The number of that advisory lock.
CREATE FUNCTION event_keys_lock() RETURNS bigint LANGUAGE sql IMMUTABLE RETURN 5712331901;

-- Makes the table of a generation, if it is missing. Attached rather than created in place, so that intake goes on.
CREATE FUNCTION ensure_key_generation(number integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    partition text := 'event_keys_' || to_char(number, 'FM0000');
BEGIN
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE event_keys INCLUDING ALL) WITH (fillfactor = 90)', partition);
    EXECUTE format('ALTER TABLE event_keys ATTACH PARTITION %I FOR VALUES IN (%s)', partition, number);
END
$$;

SELECT ensure_key_generation(0), ensure_key_generation(1);

-- The answer lies beside its event: written in the same row, gone with it, and never updated.
ALTER TABLE events ADD COLUMN answer bytea; -- the XML that was given; NULL where it was the endpoint's usual one

UPDATE events SET answer = first.answer_body
FROM event_keys_first first
WHERE first.event_id = events.id AND first.answer_content_type LIKE 'text/xml%';

INSERT INTO event_keys (key, generation, event_id, first_seen, times_seen, last_seen)
SELECT encode(key, 'hex')::uuid, 0, event_id, first_seen, times_seen, CASE WHEN times_seen > 1 THEN last_seen END
FROM event_keys_first;

DROP TABLE event_keys_first;

-- Found through the tables of calls, messages and customers; an index over random ids would cost a page a row.
DROP INDEX events_subject;

-- Fresh work is found by its id, which is its time. Only what is tried again has a time of its own.
DROP INDEX event_work_due;
CREATE INDEX event_work_again ON event_work (due_at) WHERE attempts > 0 AND dead_at IS NULL;

-- As before, and with rows of up to a page kept whole: compressing a body costs more time than all the rest of keeping
-- it.
CREATE OR REPLACE FUNCTION ensure_event_partitions(moment timestamptz, ahead integer) RETURNS integer
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
        EXECUTE format(
            'CREATE TABLE %I (LIKE events INCLUDING ALL) WITH (toast_tuple_target = 8160)', partition
        );
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

DO $$
DECLARE
    partition regclass;
BEGIN
    FOR partition IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'events'::regclass LOOP
        EXECUTE format('ALTER TABLE %s SET (toast_tuple_target = 8160)', partition);
    END LOOP;
END
$$;

-- Keeps a batch: the n-th elements of the arrays are one event. Keys must be sorted and distinct, so that batches which
-- overlap wait for each other instead of dying in a deadlock. Tells of those events alone that were here before: the
-- event that is kept, and the answer it was given. An id that is here already under its own key (a batch whose commit
-- was never confirmed, a spool drained a second time) is neither kept twice nor counted.
CREATE FUNCTION append_events(
    ids uuid[], keys uuid[], seen integer[], received timestamptz[], occurred timestamptz[], providers text[],
    endpoints text[], external_ids text[], kinds text[], subjects text[], methods text[], paths text[],
    headers text[], bodies bytea[], answers bytea[], signers text[], flags text[]
) RETURNS TABLE (id uuid, kept uuid, answer bytea)
LANGUAGE plpgsql
-- The plans are made once, on whatever the tables hold at that moment, and must still be good when they have grown.
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    current integer;
    earlier uuid[];
    kept_ids uuid[];
BEGIN
    -- Statements of a function see what was committed before each of them: so what follows sees everything that was
    -- done under this lock.
    PERFORM pg_advisory_xact_lock_shared(event_keys_lock());
    SELECT newest INTO STRICT current FROM event_key_generation;

    earlier := ARRAY(
        SELECT known.key FROM event_keys known WHERE known.key = ANY (keys) AND known.generation < current
    );
    IF cardinality(earlier) > 0 THEN
        UPDATE event_keys known
        SET times_seen = known.times_seen + new.seen, last_seen = new.received
        FROM unnest(ids, keys, seen, received) AS new (id, key, seen, received)
        WHERE known.key = new.key AND known.generation < current AND known.event_id <> new.id;
    END IF;

    WITH added AS (
        INSERT INTO event_keys AS known (key, generation, event_id, first_seen, times_seen)
        SELECT new.key, current, new.id, new.received, new.seen
        FROM unnest(ids, keys, seen, received) AS new (id, key, seen, received)
        WHERE cardinality(earlier) = 0 OR new.key <> ALL (earlier)
        ON CONFLICT (key, generation) DO UPDATE SET
            times_seen = known.times_seen
                + CASE WHEN known.event_id = excluded.event_id THEN 0 ELSE excluded.times_seen END,
            last_seen = CASE WHEN known.event_id = excluded.event_id THEN known.last_seen ELSE excluded.first_seen END
        RETURNING known.event_id
    )
    SELECT array_agg(added.event_id) INTO kept_ids FROM added;

    INSERT INTO events (id, received_at, occurred_at, provider, endpoint, external_id, kind, subject, method, path,
                        headers, body, answer, signed_by, flags)
    SELECT new.id, new.received, new.occurred, new.provider, new.endpoint, new.external_id, new.kind, new.subject,
           new.method, new.path, new.headers::json, new.body, new.answer, new.signer,
           CASE new.flags WHEN '' THEN '{}' ELSE string_to_array(new.flags, ',') END
    FROM unnest(ids, received, occurred, providers, endpoints, external_ids, kinds, subjects, methods, paths,
                headers, bodies, answers, signers, flags)
        AS new (id, received, occurred, provider, endpoint, external_id, kind, subject, method, path,
                headers, body, answer, signer, flags)
    WHERE new.id = ANY (kept_ids)
    ON CONFLICT DO NOTHING;

    INSERT INTO event_work (event_id, due_at)
    SELECT new.id, new.received FROM unnest(ids, received) AS new (id, received)
    WHERE new.id = ANY (kept_ids)
    ON CONFLICT DO NOTHING;

    IF EXISTS (SELECT FROM unnest(ids) AS new (id) WHERE kept_ids IS NULL OR new.id <> ALL (kept_ids)) THEN
        RETURN QUERY
        SELECT new.id, known.event_id, (SELECT event.answer FROM events event WHERE event.id = known.event_id)
        FROM unnest(ids, keys) AS new (id, key)
        JOIN event_keys known ON known.key = new.key
        WHERE known.event_id <> new.id;
    END IF;
END
$$;

-- Counts duplicates that were answered without the database. Keys must be sorted, as those of a batch.
CREATE FUNCTION count_events(keys uuid[], times integer[], latest timestamptz[]) RETURNS void
LANGUAGE sql
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
BEGIN ATOMIC
    UPDATE event_keys known SET times_seen = known.times_seen + again.times, last_seen = again.latest
    FROM unnest(keys, times, latest) AS again (key, times, latest)
    WHERE known.key = again.key;
END;

-- Lets the next generation take the new keys when the newest has grown past so many bytes; tells whether it did.
-- Intake waits for that moment alone: the table was made and attached before.
CREATE FUNCTION rotate_event_keys(most_bytes bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    current integer;
BEGIN
    SELECT newest INTO STRICT current FROM event_key_generation;
    IF pg_relation_size(to_regclass('event_keys_' || to_char(current, 'FM0000'))) < most_bytes THEN
        RETURN false;
    END IF;
    PERFORM ensure_key_generation(current + 1);
    PERFORM pg_advisory_xact_lock(event_keys_lock());
    UPDATE event_key_generation SET newest = current + 1 WHERE newest = current;
    RETURN FOUND;
END
$$;
