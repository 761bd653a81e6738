-- What a line does: its number, its flow, and whom it knows.

CREATE TABLE flows (
    id         uuid        PRIMARY KEY,
    name       text        NOT NULL UNIQUE, -- office-hours
    created_at timestamptz NOT NULL
);

-- A version is never changed and never removed: running calls name theirs in their position tokens, where 0 stands for
-- what is built in.
CREATE TABLE flow_versions (
    id         bigint      GENERATED ALWAYS AS IDENTITY (MINVALUE 1) PRIMARY KEY,
    flow       uuid        NOT NULL REFERENCES flows,
    number     integer     NOT NULL, -- 1, 2, … of its flow
    doc        text        NOT NULL, -- TOML in its canonical form
    sha256     bytea       NOT NULL CHECK (length(sha256) = 32), -- of doc
    created_at timestamptz NOT NULL,
    created_by text        NOT NULL, -- a key's id, or the command line
    UNIQUE (flow, number),
    UNIQUE (flow, sha256)
);

CREATE TABLE lines (
    id           uuid        PRIMARY KEY,
    provider     text        NOT NULL CHECK (provider IN ('twilio', 'plivo')),
    number       text        NOT NULL, -- E.164
    name         text        NOT NULL,
    account      text,       -- key of accounts; NULL: nobody pays for it
    flow_version bigint      REFERENCES flow_versions, -- NULL: the built-in default
    zone         text        NOT NULL, -- IANA
    country      text        NOT NULL, -- ISO 3166-1 alpha-2
    language     text        NOT NULL, -- en-US
    state        text        NOT NULL, -- on, off
    settings     jsonb       NOT NULL DEFAULT '{}', -- those that are not the default
    created_at   timestamptz NOT NULL,
    changed_at   timestamptz NOT NULL,
    UNIQUE (provider, number)
);
CREATE INDEX lines_account ON lines (account);

-- Which version a line had when. The row without an end says what lines.flow_version says.
CREATE TABLE publications (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    line         uuid        NOT NULL REFERENCES lines,
    flow_version bigint      REFERENCES flow_versions,
    at           timestamptz NOT NULL,
    ended_at     timestamptz,
    actor        text        NOT NULL
);
CREATE UNIQUE INDEX publications_current ON publications (line) WHERE ended_at IS NULL;
CREATE INDEX publications_line ON publications (line, id);
CREATE INDEX publications_ended ON publications (ended_at); -- versions that running calls may still be in

-- Whom a line knows.
CREATE TABLE contacts (
    id         uuid        PRIMARY KEY,
    owner      text        NOT NULL, -- key of accounts, or line:uuid of a line that has no account
    number     text        NOT NULL, -- E.164
    name       text,
    tags       text[]      NOT NULL DEFAULT '{}',
    blocked    boolean     NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    UNIQUE (owner, number)
);
CREATE INDEX contacts_number ON contacts (number);
-- What every process keeps in memory, in the order in which it stops at its bound.
CREATE INDEX contacts_heeded ON contacts (blocked DESC, changed_at DESC) WHERE blocked OR tags <> '{}' OR name IS NOT NULL;

-- Tells processes that what they keep in memory is old. Whoever changes one of these tables moves the number on in the same
-- transaction, and the hint comes with its commit.
CREATE TABLE lines_revision (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    revision bigint  NOT NULL
);
INSERT INTO lines_revision (revision) VALUES (1);

CREATE FUNCTION lines_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE lines_revision SET revision = revision + 1;
    PERFORM pg_notify('smartline_lines', '');
    RETURN NULL;
END $$;

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON lines FOR EACH STATEMENT EXECUTE FUNCTION lines_changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON contacts FOR EACH STATEMENT EXECUTE FUNCTION lines_changed();

CREATE FUNCTION flow_version_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a version of a flow is never changed';
END $$;

CREATE TRIGGER stays BEFORE UPDATE OR DELETE ON flow_versions FOR EACH ROW EXECUTE FUNCTION flow_version_stays();
