-- The ledger: what was asked for, what is due, what was found.
-- Invariants are constraints; states are words; times are timestamptz.

CREATE TABLE nodes (
    name        text PRIMARY KEY,
    epoch       bigint NOT NULL DEFAULT 0 CHECK (epoch >= 0),
    started_at  timestamptz NOT NULL DEFAULT now(),
    seen_at     timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE nodes IS 'One row per daemon name; a start raises the epoch, which fences off the writes of an older process.';

CREATE TABLE secrets (
    name   text PRIMARY KEY,
    value  text NOT NULL
);
COMMENT ON TABLE secrets IS 'Keys made once and kept, such as the key of the control recipients.';

CREATE TABLE clients (
    name        text PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 100),
    policy      jsonb NOT NULL DEFAULT '{}'::jsonb,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE submissions (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client      text NOT NULL REFERENCES clients (name),
    submission  text NOT NULL CHECK (length(submission) BETWEEN 1 AND 200),
    priority    smallint NOT NULL DEFAULT 50 CHECK (priority BETWEEN 0 AND 100),
    requests    bigint NOT NULL DEFAULT 0 CHECK (requests >= 0),
    finished    bigint NOT NULL DEFAULT 0 CHECK (finished BETWEEN 0 AND requests),
    expected    bigint CHECK (expected >= 0),   -- how many were announced; NULL: nobody said
    created_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,                    -- NULL again when more requests arrive
    UNIQUE (client, submission)
);
CREATE INDEX submissions_unfinished ON submissions (id) WHERE finished_at IS NULL;
CREATE INDEX submissions_finished ON submissions (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE submission_counts (
    submission_id   bigint NOT NULL REFERENCES submissions (id) ON DELETE CASCADE,
    status          text NOT NULL,
    reason          text NOT NULL,
    requests        bigint NOT NULL CHECK (requests >= 0),
    PRIMARY KEY (submission_id, status, reason)
);
COMMENT ON TABLE submission_counts IS 'Finished requests by outcome, kept while they finish: progress never reads a million rows.';

CREATE TABLE requests (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    submission_id   bigint NOT NULL REFERENCES submissions (id) ON DELETE CASCADE,
    idx             integer NOT NULL CHECK (idx >= 0),
    address         text NOT NULL,
    email           text,           -- normalised; NULL where the address is no mailbox
    domain          text NOT NULL DEFAULT '',
    contact_id      uuid,
    priority        smallint NOT NULL DEFAULT 50,  -- the submission's, a little lower far down a long one
    state           text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'handed_over', 'done')),
    due_at          timestamptz,
    attempt         integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    deferrals       integer NOT NULL DEFAULT 0 CHECK (deferrals >= 0),
    deferral_reason text,
    pin             jsonb,
    probe           jsonb,          -- what our own probe said, while somebody else is asked
    first_tried_at  timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    status          text CHECK (status IN ('valid', 'invalid', 'accept_all', 'risky', 'unknown', 'free_provider')),
    reason          text,
    reasons         jsonb,
    confidence      smallint CHECK (confidence BETWEEN 0 AND 100),
    is_disposable   boolean NOT NULL DEFAULT false,
    is_role         boolean NOT NULL DEFAULT false,
    is_free         boolean NOT NULL DEFAULT false,
    suggestion      text,
    mx_host         text,
    reply           text,
    source          text,
    checked_at      timestamptz,
    UNIQUE (submission_id, idx),
    CHECK ((state = 'done') = (status IS NOT NULL)),
    CHECK ((state = 'done') = (finished_at IS NOT NULL)),
    CHECK ((state = 'queued') = (due_at IS NOT NULL)),
    CHECK (state <> 'queued' OR (email IS NOT NULL AND domain <> ''))
);
CREATE INDEX requests_due ON requests (domain, priority DESC, due_at) WHERE state = 'queued';
CREATE INDEX requests_waiting ON requests (submission_id, deferral_reason, due_at)
WHERE state <> 'done' AND deferral_reason IS NOT NULL;
CREATE INDEX requests_handed_over ON requests (email) WHERE state = 'handed_over';

CREATE TABLE domain_queue (
    domain       text PRIMARY KEY,
    lane         text NOT NULL DEFAULT '',   -- identity and provider key, once known
    priority     smallint NOT NULL DEFAULT 50,
    next_due     timestamptz,                -- NULL: nothing queued
    leased_until timestamptz,
    leased_by    text,
    lease_epoch  bigint,
    not_before   timestamptz,                -- what arrives meanwhile does not make it due earlier
    CHECK ((leased_until IS NULL) = (leased_by IS NULL)),
    CHECK ((leased_until IS NULL) = (lease_epoch IS NULL))
);
CREATE INDEX domain_queue_due ON domain_queue (priority DESC, next_due) WHERE next_due IS NOT NULL AND leased_until IS NULL;
CREATE INDEX domain_queue_leased ON domain_queue (leased_until) WHERE leased_until IS NOT NULL;

CREATE TABLE domain_cache (
    domain              text PRIMARY KEY,
    has_mx              boolean NOT NULL DEFAULT false,
    has_a               boolean NOT NULL DEFAULT false,
    mx_hosts            jsonb NOT NULL DEFAULT '[]'::jsonb,
    spf                 text,
    dmarc               text,
    accept_all_prob     integer NOT NULL DEFAULT 0 CHECK (accept_all_prob BETWEEN 0 AND 100),
    last_checked        timestamptz NOT NULL DEFAULT now(),
    -- ours
    mx_answer           jsonb,
    mx_expires_at       timestamptz,
    provider_key        text NOT NULL DEFAULT '',
    accept_all          text NOT NULL DEFAULT 'not_asked'
                        CHECK (accept_all IN ('accepts_all', 'rejects_unknown', 'undetermined', 'not_asked')),
    accept_all_host_set text NOT NULL DEFAULT '',
    accept_all_until    timestamptz,
    accept_all_seen     integer NOT NULL DEFAULT 0,
    accept_all_seen_at  timestamptz
);

CREATE TABLE email_validation (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    contact_id      uuid,
    email           text NOT NULL,
    domain          text NOT NULL,
    status          text NOT NULL CHECK (status IN ('valid', 'invalid', 'accept_all', 'risky', 'unknown', 'free_provider')),
    confidence      integer NOT NULL DEFAULT 0 CHECK (confidence BETWEEN 0 AND 100),
    reasons         jsonb NOT NULL DEFAULT '[]'::jsonb,
    dns_trace       jsonb,
    smtp_trace      jsonb,
    mx_hosts        jsonb,
    is_disposable   boolean NOT NULL DEFAULT false,
    is_role         boolean NOT NULL DEFAULT false,
    is_free         boolean NOT NULL DEFAULT false,
    checked_at      timestamptz NOT NULL DEFAULT now(),
    ttl_expires_at  timestamptz,
    attempts        integer NOT NULL DEFAULT 0,
    error           text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    -- ours
    reason          text NOT NULL,
    suggestion      text,
    mx_host         text,
    reply           text,
    source          text NOT NULL DEFAULT 'probe',  -- who said it: probe, dns, syntax, risk, bouncer
    fresh_until     timestamptz,                    -- NULL: never reused (unknown)
    probe           jsonb,                          -- what our own probe said, where source is another
    -- In this order it is the index by email, too.
    CONSTRAINT email_validation_contact_email UNIQUE NULLS NOT DISTINCT (email, contact_id)
);
CREATE INDEX email_validation_domain ON email_validation (domain);
CREATE INDEX email_validation_updated ON email_validation (updated_at);

CREATE TABLE email_events (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email        text NOT NULL,
    event_type   text NOT NULL CHECK (event_type IN ('hard_bounce', 'soft_bounce', 'open', 'reply')),
    event_at     timestamptz NOT NULL DEFAULT now(),
    campaign_id  uuid,
    UNIQUE NULLS NOT DISTINCT (email, event_type, event_at, campaign_id)
);
CREATE INDEX email_events_email ON email_events (lower(email));

CREATE TABLE lane_state (
    node        text NOT NULL,
    lane        text NOT NULL,
    snapshot    jsonb NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (node, lane)
);

CREATE TABLE outbox (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL,
    client      text,
    payload     jsonb NOT NULL,
    due_at      timestamptz NOT NULL DEFAULT now(),
    attempt     integer NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX outbox_due ON outbox (due_at);

CREATE TABLE rejected_jobs (
    job_id       text PRIMARY KEY,
    function     text NOT NULL DEFAULT '',
    reason       text NOT NULL,
    payload      text NOT NULL DEFAULT '',  -- bounded, escaped
    rejected_at  timestamptz NOT NULL DEFAULT now()
);
