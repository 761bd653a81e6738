-- What is owed to the outside: texts, ends of calls, files to be fetched and deleted.

-- One row for everything that was ever owed; the key is unique for ever, so that a replay owes nothing twice. Few rows
-- wait at a time: the partial indexes hold those alone.
CREATE TABLE outbox (
    id          uuid        PRIMARY KEY, -- a UUIDv7 of the moment from which it was owed
    key         text        NOT NULL UNIQUE,
    kind        text        NOT NULL, -- text, end_call, fetch_recording, fetch_media, delete_recording,
                                      -- unregistered
    provider    text        NOT NULL,
    line        text,                 -- texts: our number
    contact     text,                 -- texts: who gets it
    reason      text,                 -- texts: flow, missed, notice, agent, confirmation
    owed        jsonb       NOT NULL, -- all that is needed to do it
    state       text        NOT NULL DEFAULT 'waiting'
                CHECK (state IN ('waiting', 'done', 'refused', 'dead', 'cancelled')),
    why         text,                 -- why it waits, was refused or given up; a word of this program or a code
    due_at      timestamptz NOT NULL, -- not before; a claim is a lease, and moves this to its end
    claims      bigint      NOT NULL DEFAULT 0, -- the fence: who settles must have made the last claim
    tries       integer     NOT NULL DEFAULT 0,
    -- When a request was sent whose outcome is not known. It is looked up at the provider before it is sent again.
    doubt_since timestamptz,
    provider_id text,                 -- SM…, a message's UUID
    settled_at  timestamptz
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'waiting';
-- Texts of the last hour to a contact, and texts whose outcome is not known.
CREATE INDEX outbox_contact ON outbox (contact, settled_at) WHERE kind = 'text' AND state = 'done';
CREATE INDEX outbox_doubt ON outbox (contact) WHERE doubt_since IS NOT NULL;
CREATE INDEX outbox_dead ON outbox (id) WHERE state = 'dead';

-- Every try. A row whose end is missing was cut off: the process died.
CREATE TABLE attempts (
    id          uuid        PRIMARY KEY,
    outbox      uuid        NOT NULL,
    began_at    timestamptz NOT NULL,
    ended_at    timestamptz,
    outcome     text,                 -- done, found, refused, busy, failed, in_doubt, dead
    status      smallint,             -- of the provider's answer
    code        text                  -- the provider's own, or a word of this program
);
CREATE INDEX attempts_outbox ON attempts (outbox, id);

-- When a line may send its next text.
CREATE TABLE outbox_pace (
    line        text        PRIMARY KEY, -- provider:number
    next_at     timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

-- Recordings, pictures and the like that callers left. Made when one is owed to be fetched; without a folder to put it in,
-- only where it lies is kept.
CREATE TABLE media (
    key         text        PRIMARY KEY, -- of the outbox row that owes the fetch
    id          uuid        NOT NULL UNIQUE, -- the file's name
    kind        text        NOT NULL CHECK (kind IN ('recording', 'media')),
    provider    text        NOT NULL,
    about       text        NOT NULL, -- key of calls or messages
    external_id text,                 -- the provider's id of a recording: RE…
    url         text        NOT NULL,
    media_type  text,
    state       text        NOT NULL, -- referenced, stored, deleted
    file        text,                 -- below the media folder
    bytes       bigint,
    sha256      bytea,
    made_at     timestamptz NOT NULL,
    delete_at   timestamptz NOT NULL, -- here and at the provider
    deleted_at  timestamptz
);
CREATE INDEX media_about ON media (about);
CREATE INDEX media_delete ON media (delete_at) WHERE state <> 'deleted';
