-- Who is signed in to the console, and the links that sign somebody in once. Both are found by a digest alone: what lies
-- here opens nothing.

CREATE TABLE console_sessions (
    id        uuid        PRIMARY KEY,
    hash      bytea       NOT NULL UNIQUE CHECK (length(hash) = 32), -- SHA-256 of the cookie; it is random, so no salt
    actor     text        NOT NULL, -- key_…, SMARTLINE_API_KEY, or a link of the command line
    key_id    uuid        REFERENCES api_keys (id), -- the session ends with its key
    admin     bytea       CHECK (length(admin) = 32), -- which SMARTLINE_API_KEY it was: another one ends the session
    scopes    text[]      NOT NULL,
    made_at   timestamptz NOT NULL,
    seen_at   timestamptz NOT NULL,
    ends_at   timestamptz NOT NULL,
    client    inet        NOT NULL,
    browser   text        NOT NULL
);
-- Ended ones are removed by their end.
CREATE INDEX console_sessions_end ON console_sessions (ends_at);

CREATE TABLE console_links (
    hash      bytea       PRIMARY KEY CHECK (length(hash) = 32),
    scopes    text[]      NOT NULL,
    made_at   timestamptz NOT NULL,
    ends_at   timestamptz NOT NULL
);
