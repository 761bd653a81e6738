-- What was decided for a call or a text: the guards and tests with their inputs, what was captured, and what is owed
-- outside. Kept in the row of its event, in the one commit that keeps the answer; NULL where nothing was decided.
ALTER TABLE events ADD COLUMN decision json;

-- What the decisions of a call say of it beyond its callbacks.
ALTER TABLE calls
    ADD COLUMN flow_version bigint,  -- the version that it began with; 0 is the built-in default
    ADD COLUMN decided text,         -- agent, suspended, rejected: its outcome, where the line itself brought it about
    ADD COLUMN texted_back boolean;  -- whether the caller of a missed call was written to

-- Texts that were answered within the answer to their webhook, so that one contact is not answered for ever.
CREATE TABLE replies (
    key        text        PRIMARY KEY, -- the event, or what is said once a day: line, contact, step and day
    line       text        NOT NULL,
    contact    text        NOT NULL,
    at         timestamptz NOT NULL
);
CREATE INDEX replies_contact ON replies (contact, line, at);

-- Whom an agent wants rung when it gives back a call that it was handed: a name, never a number.
CREATE TABLE directives (
    id         uuid        PRIMARY KEY,
    call       text        NOT NULL, -- key of calls
    target     text        NOT NULL,
    at         timestamptz NOT NULL
);
CREATE INDEX directives_call ON directives (call, at);

-- append_events() with decisions. The one without them stays for the release before this one.
CREATE FUNCTION append_events(
    ids uuid[], keys uuid[], seen integer[], received timestamptz[], occurred timestamptz[], providers text[],
    endpoints text[], external_ids text[], kinds text[], subjects text[], methods text[], paths text[],
    headers text[], bodies bytea[], answers bytea[], signers text[], flags text[], decisions text[]
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
    added_ids uuid[]; -- whose key is new, so that nothing else of them can be here
    all_new boolean;  -- as nearly always
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
        ON CONFLICT (key, generation) DO UPDATE
            SET times_seen = known.times_seen + excluded.times_seen, last_seen = excluded.first_seen
            WHERE known.event_id <> excluded.event_id
        RETURNING known.event_id, known.last_seen
    )
    SELECT array_agg(added.event_id) INTO added_ids FROM added WHERE added.last_seen IS NULL;
    all_new := cardinality(added_ids) = cardinality(ids);

    INSERT INTO events (id, received_at, occurred_at, provider, endpoint, external_id, kind, subject, method, path,
                        headers, body, answer, signed_by, flags, decision)
    SELECT new.id, new.received, new.occurred, new.provider, new.endpoint, new.external_id, new.kind, new.subject,
           new.method, new.path, new.headers::json, new.body, new.answer, new.signer,
           CASE new.flags WHEN '' THEN '{}' ELSE string_to_array(new.flags, ',') END, new.decision::json
    FROM unnest(ids, received, occurred, providers, endpoints, external_ids, kinds, subjects, methods, paths,
                headers, bodies, answers, signers, flags, decisions)
        AS new (id, received, occurred, provider, endpoint, external_id, kind, subject, method, path,
                headers, body, answer, signer, flags, decision)
    WHERE all_new OR new.id = ANY (added_ids);

    INSERT INTO event_work (event_id, due_at)
    SELECT new.id, new.received FROM unnest(ids, received) AS new (id, received)
    WHERE all_new OR new.id = ANY (added_ids);

    IF NOT coalesce(all_new, false) THEN
        RETURN QUERY
        SELECT new.id, known.event_id, (SELECT event.answer FROM events event WHERE event.id = known.event_id)
        FROM unnest(ids, keys) AS new (id, key)
        JOIN event_keys known ON known.key = new.key
        WHERE known.event_id <> new.id;
    END IF;
END
$$;
