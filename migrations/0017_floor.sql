-- The smallest id of a moment, as before, but written into the statement that asks for it. As long as it was said to depend
-- on nothing, while a part of it is said to depend on the session, it was called: that took longer than the look-up itself.
CREATE OR REPLACE FUNCTION uuid_floor(moment timestamptz) RETURNS uuid
LANGUAGE sql STABLE STRICT
RETURN (rpad(lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0'), 32, '0'))::uuid;
