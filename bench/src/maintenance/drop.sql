-- What retention does with a month of events that is old enough. $PARTITION is its table.
ALTER TABLE events DETACH PARTITION $PARTITION CONCURRENTLY;
DROP TABLE $PARTITION;
