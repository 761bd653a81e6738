-- What is left of people who were erased: that they wanted no texts, under a hash in place of their number.

-- Put before a number when it is hashed, so that a list of hashes alone tells nobody's number. Made here, once, and never
-- changed: with another one, no opt-out of before would be found.
CREATE TABLE erasure_key (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    key      bytea   NOT NULL CHECK (length(key) = 32)
);
INSERT INTO erasure_key (key)
VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

CREATE FUNCTION erased_hash(number text) RETURNS bytea
LANGUAGE sql STABLE STRICT
RETURN (SELECT sha256(key || convert_to(number, 'UTF8')) FROM erasure_key);

-- As opt_outs, which is made of events and made anew from them: these words are in no event any more.
CREATE TABLE erased_opt_outs (
    hash       bytea       NOT NULL CHECK (length(hash) = 32), -- erased_hash() of the contact's number
    line       text        NOT NULL,
    opted_out  boolean     NOT NULL,
    suspected  boolean     NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (hash, line)
);
