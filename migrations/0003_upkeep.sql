-- Upkeep of the keys: the newest generation is closed when it has grown large.

-- Lets the next generation take new keys if the index of the newest has grown to `most_bytes`; tells its number, or NULL
-- where there was nothing to do or another replica is doing it. One more generation is always made ahead, so that the
-- move itself is one small row.
CREATE FUNCTION rotate_event_keys(most_bytes bigint) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    current integer;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('smartline.event_key_generations')) THEN
        RETURN NULL;
    END IF;
    SELECT newest INTO STRICT current FROM event_key_generation;
    IF pg_indexes_size(('event_keys_' || to_char(current, 'FM0000'))::regclass) < most_bytes THEN
        RETURN NULL;
    END IF;
    PERFORM ensure_key_generation(current + 1), ensure_key_generation(current + 2);

    -- This waits for the batches in flight and holds up those to come. Where it takes too long, the next look tries
    -- again.
    PERFORM set_config('lock_timeout', '250ms', true);
    PERFORM pg_advisory_xact_lock(event_keys_lock());
    UPDATE event_key_generation SET newest = current + 1;
    RETURN current + 1;
END
$$;
