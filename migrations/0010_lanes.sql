-- The worker's queue in two lanes. New work has no time at which it is due: it is found by its id, which is its time, from
-- the newest on that was claimed. What is tried again or replayed has one, and an index of its own: it may be old, and in
-- the order of ids a large replay would stand before everything new.
-- The previous binary finds both as before: new work by `attempts = 0`, failed work by `due_at`.
ALTER TABLE event_work ALTER COLUMN due_at DROP NOT NULL;
CREATE INDEX event_work_due ON event_work (due_at) WHERE due_at IS NOT NULL AND dead_at IS NULL;
DROP INDEX event_work_again;

-- Rows are added and deleted; only those that fail are ever updated.
ALTER TABLE event_work SET (fillfactor = 100);

-- As before, but that new work has no due time. That of the release before this one writes one, and is found by it.
CREATE OR REPLACE FUNCTION append_events(
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

    INSERT INTO event_work (event_id)
    SELECT new.id FROM unnest(ids) AS new (id)
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
