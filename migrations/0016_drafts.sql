-- What somebody is writing of a flow and has not made a version of: one draft a flow, shared by all who edit it.
CREATE TABLE flow_drafts (
    flow       uuid        PRIMARY KEY REFERENCES flows,
    base       integer,    -- the number of the version that it was begun from; NULL: from nothing
    doc        text        NOT NULL, -- TOML; it may have faults
    former     text,       -- doc before its last change, to be gone back to
    changed_at timestamptz NOT NULL,
    changed_by text        NOT NULL
);
