-- Calls by either side's number: calls_from and calls_line have all of them but the few whose other end is neither, such
-- as those that a line makes. Filters by number read the three in the order of their ids.
CREATE INDEX calls_to ON calls (to_number, id) WHERE to_number IS DISTINCT FROM line;
