-- How far the lists of the providers' APIs have been compared with what was kept. One row a list.
CREATE TABLE reconcile_cursors (
    provider   text        NOT NULL,
    account    text        NOT NULL, -- AC…, MA…; Stripe's mode: live or test
    list       text        NOT NULL, -- events, calls, messages
    done_until timestamptz,          -- nothing older is left to be compared; NULL before the first whole pass
    -- The pass that is under way: its window, and where it goes on.
    since      timestamptz,
    until      timestamptz,
    next_page  text,                 -- path and query at the provider; NULL where no pass is under way
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (provider, account, list),
    CHECK (next_page IS NULL OR (since IS NOT NULL AND until IS NOT NULL))
);
