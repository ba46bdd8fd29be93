-- Telling others: who wants to hear of what, and every message on its way there.

-- What names a message for good, however often it is sent.
ALTER TABLE outbox ADD COLUMN event_id uuid NOT NULL DEFAULT gen_random_uuid();

CREATE TABLE webhooks (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client           text REFERENCES clients (name),  -- NULL: the operator's, who hears of everybody
    url              text NOT NULL CHECK (length(url) BETWEEN 8 AND 2000),
    secret           text NOT NULL CHECK (secret LIKE 'whsec\_%'),
    previous_secret  text,                            -- after a change messages carry both signatures …
    previous_until   timestamptz,                     -- … until then
    events           text[] NOT NULL DEFAULT '{}',    -- types; none: every type
    is_enabled       boolean NOT NULL DEFAULT true,
    disabled_reason  text,
    created_at       timestamptz NOT NULL DEFAULT now(),
    CHECK ((previous_secret IS NULL) = (previous_until IS NULL)),
    CHECK (disabled_reason IS NULL OR NOT is_enabled)
);
CREATE INDEX webhooks_client ON webhooks (client);

CREATE TABLE deliveries (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target       text NOT NULL,          -- webhook:<id>, or the name of another channel
    webhook_id   bigint REFERENCES webhooks (id) ON DELETE CASCADE,
    event_id     uuid NOT NULL,
    type         text NOT NULL,
    client       text,
    subject      text,                   -- what it is about: one message about it at a time, in order
    place        bigint NOT NULL,        -- of the message in the outbox
    payload      jsonb NOT NULL,
    happened_at  timestamptz NOT NULL,
    state        text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
    due_at       timestamptz DEFAULT now(),
    attempt      integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),   -- since it was last made due by hand
    attempts     jsonb NOT NULL DEFAULT '[]'::jsonb,                 -- the last ones, oldest first
    reason       text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    finished_at  timestamptz,
    UNIQUE (event_id, target),
    CHECK ((target LIKE 'webhook:%') = (webhook_id IS NOT NULL)),
    CHECK ((state = 'pending') = (due_at IS NOT NULL)),
    CHECK ((state = 'pending') = (finished_at IS NULL)),
    CHECK ((state = 'dead') = (reason IS NOT NULL))
);
COMMENT ON TABLE deliveries IS 'One row per message and target; the same event keeps its id however often it is sent.';
CREATE INDEX deliveries_due ON deliveries (target, due_at) WHERE state = 'pending';
CREATE INDEX deliveries_order ON deliveries (target, subject, place) WHERE state = 'pending';
CREATE INDEX deliveries_finished ON deliveries (target, finished_at) WHERE state <> 'pending';
CREATE INDEX deliveries_webhook ON deliveries (webhook_id, id);
