-- Calls change with each of their callbacks. A change that touches no index and finds room on its page costs a third: so no
-- index holds when a call was last heard of, and pages keep room.
DROP INDEX calls_open;
CREATE INDEX calls_open ON calls (id) WHERE NOT ended; -- for the sweeper, and the count of what is going on
ALTER TABLE calls SET (fillfactor = 75);
ALTER TABLE messages SET (fillfactor = 85);
