-- What each process counted on each line and day, so that caps hold for all of them together and over a restart.
CREATE TABLE line_days (
    day     date   NOT NULL, -- at the line
    process uuid   NOT NULL,
    line    text   NOT NULL, -- our number
    counted text   NOT NULL, -- calls, suspended, seconds
    count   bigint NOT NULL,
    PRIMARY KEY (day, process, line, counted)
);

-- The turn at which the agent gives the call back: a wish counts there alone. NULL: kept by the release before this one.
ALTER TABLE directives ADD COLUMN turn smallint;
