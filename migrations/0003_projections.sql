-- What happened: the tables that the worker makes of the events. All of it can be made anew from them.
--
-- Every table has a `key`, which names the object as its provider does, an `id` of ours, which is the id of the event that
-- first told of it, and `sources`: for each column the event that its value comes from.

-- Billing. Keys begin with `live:` or `test:`, then comes the connected account, if any: `live::sub_1`.

-- Who pays.
CREATE TABLE accounts (
    key          text        PRIMARY KEY, -- live::cus_1
    id           uuid        NOT NULL UNIQUE,
    livemode     boolean     NOT NULL,
    connected    text        NOT NULL DEFAULT '', -- the connected account, acct_…
    customer     text        NOT NULL,
    email        text,
    name         text,
    phone        text,
    reference    text,        -- client_reference_id of the checkout
    line         text,        -- the line's number, from metadata or the reference
    checkout     text,        -- the last completed session
    payment_status text,
    checked_out_at timestamptz,
    changed_at   timestamptz NOT NULL, -- when the newest event that is in it happened
    stamps       jsonb       NOT NULL DEFAULT '{}', -- order guards, by column
    sources      jsonb       NOT NULL DEFAULT '{}'
);

CREATE TABLE subscriptions (
    key          text        PRIMARY KEY, -- live::sub_1
    id           uuid        NOT NULL UNIQUE,
    account      text,        -- key of accounts
    livemode     boolean     NOT NULL,
    connected    text        NOT NULL DEFAULT '',
    external_id  text        NOT NULL, -- sub_…
    status       text        NOT NULL,
    price        text,
    quantity     bigint,
    period_start timestamptz,
    period_end   timestamptz,
    cancel_at_period_end boolean NOT NULL DEFAULT false,
    cancel_at    timestamptz,
    canceled_at  timestamptz,
    ended_at     timestamptz,
    trial_end    timestamptz,
    latest_invoice text,
    metadata     jsonb       NOT NULL DEFAULT '{}',
    needs_refetch boolean    NOT NULL DEFAULT false, -- two events of one second contradict each other
    changed_at   timestamptz NOT NULL,
    stamps       jsonb       NOT NULL DEFAULT '{}',
    sources      jsonb       NOT NULL DEFAULT '{}'
);
CREATE INDEX subscriptions_account ON subscriptions (account);

CREATE TABLE invoices (
    key          text        PRIMARY KEY, -- live::in_1
    id           uuid        NOT NULL UNIQUE,
    account      text,
    subscription text,        -- key of subscriptions
    livemode     boolean     NOT NULL,
    connected    text        NOT NULL DEFAULT '',
    external_id  text        NOT NULL, -- in_…
    number       text,
    status       text        NOT NULL,
    paid         boolean     NOT NULL DEFAULT false,
    currency     text,
    amount_due   bigint,      -- in the currency's smallest unit
    amount_paid  bigint,
    amount_remaining bigint,
    attempt_count bigint,
    next_attempt_at timestamptz,
    failed_at    timestamptz, -- the first failure of a payment that is still owed
    paid_at      timestamptz,
    billing_reason text,
    hosted_url   text,
    period_start timestamptz,
    period_end   timestamptz,
    changed_at   timestamptz NOT NULL,
    stamps       jsonb       NOT NULL DEFAULT '{}',
    sources      jsonb       NOT NULL DEFAULT '{}'
);
CREATE INDEX invoices_account ON invoices (account);
CREATE INDEX invoices_subscription ON invoices (subscription);

-- Calls. One row a call, whichever callbacks came and in whichever order.
CREATE TABLE calls (
    key          text        PRIMARY KEY, -- twilio:CA…
    id           uuid        NOT NULL UNIQUE,
    provider     text        NOT NULL,
    external_id  text        NOT NULL, -- CallSid, CallUUID
    direction    text,        -- inbound, outbound
    from_number  text,
    to_number    text,
    line         text,        -- our side of it
    parent       text,        -- the call whose leg this is: key of calls
    status       text        NOT NULL, -- queued, ringing, in-progress, or a final one, as the provider spells it
    ended        boolean     NOT NULL DEFAULT false,
    outcome      text,        -- answered, voicemail, text-back, agent, missed, abandoned, rejected, suspended, failed, unknown
    cause        text,        -- why it ended, as the provider spells it
    cause_code   text,
    hung_up_by   text,
    dialled      text,        -- what became of the leg that was dialled for the caller
    started_at   timestamptz,
    answered_at  timestamptz,
    ended_at     timestamptz,
    duration_s   bigint,
    billed_s     bigint,
    recording    text,        -- the provider's id of it
    recording_url text,
    recording_s  bigint,
    transcription text,
    last_seen_at timestamptz NOT NULL,
    closed_by_sweeper boolean NOT NULL DEFAULT false,
    simulated    boolean     NOT NULL DEFAULT false, -- unsigned, or sent by our own probes
    stamps       jsonb       NOT NULL DEFAULT '{}',
    sources      jsonb       NOT NULL DEFAULT '{}'
);
CREATE INDEX calls_open ON calls (last_seen_at) WHERE NOT ended;
CREATE INDEX calls_line ON calls (line, id);
CREATE INDEX calls_from ON calls (from_number, id);

-- Which events told of a call, for its timeline.
CREATE TABLE call_events (
    call         text        NOT NULL, -- key of calls
    event_id     uuid        NOT NULL,
    at           timestamptz NOT NULL, -- when it happened, or else was received
    kind         text        NOT NULL,
    what         text        NOT NULL, -- status and step, without anybody's data
    PRIMARY KEY (call, event_id)
);

CREATE TABLE messages (
    key          text        PRIMARY KEY, -- twilio:SM…
    id           uuid        NOT NULL UNIQUE,
    provider     text        NOT NULL,
    external_id  text        NOT NULL,
    direction    text,
    from_number  text,
    to_number    text,
    line         text,
    contact      text,        -- the other side
    body         text,
    media        jsonb       NOT NULL DEFAULT '[]', -- [{"url", "type"}]; nothing is fetched here
    segments     bigint,
    status       text        NOT NULL, -- received, or how far its delivery came
    final        boolean     NOT NULL DEFAULT false,
    error_code   text,
    received_at  timestamptz,
    changed_at   timestamptz NOT NULL,
    simulated    boolean     NOT NULL DEFAULT false,
    stamps       jsonb       NOT NULL DEFAULT '{}',
    sources      jsonb       NOT NULL DEFAULT '{}'
);
CREATE INDEX messages_line ON messages (line, id);
CREATE INDEX messages_contact ON messages (contact, id);

-- Who wants no texts of whom. The newest word counts; a row stays when it is lifted.
CREATE TABLE opt_outs (
    key          text        PRIMARY KEY, -- twilio:+15550100:+15550101, the line and then the contact
    id           uuid        NOT NULL UNIQUE,
    line         text        NOT NULL,
    contact      text        NOT NULL,
    opted_out    boolean     NOT NULL,
    suspected    boolean     NOT NULL DEFAULT false, -- softer words: a person must look
    reason       text        NOT NULL, -- keyword, provider, error
    changed_at   timestamptz NOT NULL,
    stamps       jsonb       NOT NULL DEFAULT '{}',
    sources      jsonb       NOT NULL DEFAULT '{}'
);
CREATE INDEX opt_outs_contact ON opt_outs (contact);

-- Access.
CREATE TABLE api_keys (
    id           uuid        PRIMARY KEY,
    name         text        NOT NULL,
    hash         bytea       NOT NULL UNIQUE CHECK (length(hash) = 32), -- SHA-256; a key is random, so no salt
    hint         text        NOT NULL, -- its last four characters
    scopes       text[]      NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);

CREATE TABLE audit (
    id           uuid        PRIMARY KEY,
    at           timestamptz NOT NULL,
    actor        text        NOT NULL, -- a key's id, or the command line
    action       text        NOT NULL,
    subject      text        NOT NULL,
    detail       jsonb       NOT NULL DEFAULT '{}'
);

-- Answers to requests that must not be done twice.
CREATE TABLE idempotency_keys (
    owner        text        NOT NULL, -- the API key
    key          text        NOT NULL,
    digest       bytea       NOT NULL, -- of method, path and body
    made_at      timestamptz NOT NULL,
    status       smallint,    -- NULL while the first is under way
    body         bytea,
    PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_keys_made ON idempotency_keys (made_at);

-- A worker holds the rows that it works on by their locks, in the transaction that does the work and deletes them. So
-- there are no leases that could outlive their holder.
ALTER TABLE event_work DROP COLUMN lease_until, DROP COLUMN fence;

CREATE INDEX rejections_at ON rejections (at);
CREATE INDEX event_work_dead ON event_work (event_id) WHERE dead_at IS NOT NULL;
