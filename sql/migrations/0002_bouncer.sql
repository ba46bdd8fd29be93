-- The paid second opinion: what waits for it, what was bought, what came back.
-- The columns named …_ts, user_id, request_id, global_id and batch_id are read by others under these names:
-- user_id is the client, request_id the row of `requests`, global_id the contact.

CREATE TABLE bouncer_batches (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id           text UNIQUE CHECK (length(batch_id) BETWEEN 1 AND 200),  -- the provider's; NULL until known
    user_id            text NOT NULL REFERENCES clients (name),  -- of the first member; others may have members in it
    request_id         bigint,                                   -- of the first member, as long as it is kept
    status             text,                                     -- the provider's word, verbatim
    quantity           integer NOT NULL CHECK (quantity BETWEEN 1 AND 100000),
    duplicates         integer NOT NULL DEFAULT 0 CHECK (duplicates >= 0),
    created_ts         timestamptz NOT NULL DEFAULT now(),
    updated_ts         timestamptz NOT NULL DEFAULT now(),
    completed_ts       timestamptz,  -- when we saw that it was complete
    error_message      text,
    retry_count        integer NOT NULL DEFAULT 0 CHECK (retry_count >= 0),  -- failures in a row of its next step
    -- ours
    state              text NOT NULL DEFAULT 'planned' CHECK (state IN (
        'planned', 'submitting', 'submitted', 'ready', 'downloaded', 'ingested', 'cleaned',
        'submit_unknown', 'lost', 'cancelling', 'parked'
    )),
    pass               text NOT NULL DEFAULT 'main' CHECK (pass IN ('main', 'deep')),
    intent             uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    payload_hash       text NOT NULL DEFAULT '',
    next_step_ts       timestamptz NOT NULL DEFAULT now(),
    error_kind         text,
    creates            integer NOT NULL DEFAULT 0 CHECK (creates >= 0),  -- how often the create was sent or begun
    credits_before     integer,
    credits_after      integer,      -- after an answer that never came: the difference is a hint
    credits            integer,      -- used, as the provider says
    provider_quantity  integer,
    processed          integer,
    progressed_ts      timestamptz,  -- when status or processed last changed
    is_stuck           boolean NOT NULL DEFAULT false,
    missing_since_ts   timestamptz,  -- first "there is no such batch"
    cancel_ts          timestamptz,
    finish_ts          timestamptz,
    submitting_ts      timestamptz,
    submitted_ts       timestamptz,
    downloaded_ts      timestamptz,
    ingested_ts        timestamptz,
    cleaned_ts         timestamptz,
    downloads          integer NOT NULL DEFAULT 0,
    download_sha256    text,
    download_bytes     bigint,
    rows_answered      integer,
    rows_missing       integer,
    rows_foreign       integer,
    rows_doubled       integer,
    rows_quarantined   integer,
    resolution         text CHECK (resolution IN ('adopted', 'resubmitted', 'abandoned')),
    CHECK (batch_id IS NOT NULL OR state IN ('planned', 'submitting', 'submit_unknown', 'parked')),
    CHECK (state <> 'submitting' OR (submitting_ts IS NOT NULL AND creates > 0 AND payload_hash <> ''))
);
-- One create at a time, and none while the answer to one is unknown: so a fall of the credits has one cause.
CREATE UNIQUE INDEX bouncer_batches_one_create ON bouncer_batches ((true)) WHERE state IN ('submitting', 'submit_unknown');
CREATE INDEX bouncer_batches_open ON bouncer_batches (next_step_ts) WHERE state NOT IN ('cleaned', 'parked');

CREATE TABLE bouncer_members (
    batch_id  bigint NOT NULL REFERENCES bouncer_batches (id) ON DELETE CASCADE,
    idx       integer NOT NULL CHECK (idx >= 0),
    email     text NOT NULL,
    key       text COLLATE "C" NOT NULL,  -- what an echoed address is matched by
    client    text NOT NULL,          -- whose budget it was reserved from
    is_live   boolean NOT NULL DEFAULT true,
    PRIMARY KEY (batch_id, idx),
    UNIQUE (batch_id, key)
);
COMMENT ON TABLE bouncer_members IS 'The intent: exactly what a batch sends, in its order. Committed before the create, removed after clean-up.';
-- Nobody is paid for twice: an address stands in at most one live batch.
CREATE UNIQUE INDEX bouncer_members_live ON bouncer_members (key) WHERE is_live;

CREATE TABLE bouncer_queue (
    queue_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    global_id     uuid,
    user_id       text NOT NULL REFERENCES clients (name),
    request_id    bigint UNIQUE REFERENCES requests (id) ON DELETE CASCADE,  -- NULL in the deep pass
    batch_id      bigint REFERENCES bouncer_batches (id),
    status        text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'assigned', 'completed', 'failed')),
    priority      smallint NOT NULL DEFAULT 50,
    email         text NOT NULL,
    domain        text NOT NULL,
    domain_hash   text GENERATED ALWAYS AS (md5(domain)) STORED,
    created_ts    timestamptz NOT NULL DEFAULT now(),
    assigned_ts   timestamptz,
    completed_ts  timestamptz,
    -- ours
    pass          text NOT NULL DEFAULT 'main' CHECK (pass IN ('main', 'deep')),
    not_before    timestamptz NOT NULL DEFAULT now(),
    missing_count smallint NOT NULL DEFAULT 0 CHECK (missing_count >= 0),
    park_reason   text,
    is_known      boolean NOT NULL DEFAULT false,  -- bought before and still good: answered without buying
    CHECK ((request_id IS NULL) = (pass = 'deep')),
    CHECK (status <> 'queued' OR batch_id IS NULL),
    CHECK (status <> 'assigned' OR batch_id IS NOT NULL),
    CHECK ((status = 'failed') = (park_reason IS NOT NULL))
);
CREATE INDEX bouncer_queue_queued ON bouncer_queue (pass, user_id, priority DESC, queue_id) WHERE status = 'queued';
CREATE INDEX bouncer_queue_waiting ON bouncer_queue (user_id, created_ts) WHERE status = 'queued';
CREATE INDEX bouncer_queue_queued_email ON bouncer_queue (email) WHERE status = 'queued';
CREATE INDEX bouncer_queue_known ON bouncer_queue (email, queue_id) WHERE status = 'queued' AND is_known;
CREATE INDEX bouncer_queue_assigned ON bouncer_queue (batch_id, email, queue_id) WHERE status = 'assigned';
-- The deep pass asks once per address, for good.
CREATE UNIQUE INDEX bouncer_queue_deep_once ON bouncer_queue (email) WHERE pass = 'deep';

-- Whoever hands a request over puts it into the queue with the same stroke: neither can be forgotten.
CREATE FUNCTION queue_for_bouncer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bouncer_queue (global_id, user_id, request_id, priority, email, domain)
    SELECT NEW.contact_id, s.client, NEW.id, NEW.priority, NEW.email, NEW.domain
    FROM submissions AS s WHERE s.id = NEW.submission_id
    ON CONFLICT (request_id) DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER requests_handed_over_to_bouncer AFTER UPDATE OF state ON requests
FOR EACH ROW WHEN (NEW.state = 'handed_over' AND OLD.state <> 'handed_over')
EXECUTE FUNCTION queue_for_bouncer();
INSERT INTO bouncer_queue (global_id, user_id, request_id, priority, email, domain)
SELECT r.contact_id, s.client, r.id, r.priority, r.email, r.domain
FROM requests AS r INNER JOIN submissions AS s ON r.submission_id = s.id
WHERE r.state = 'handed_over';

CREATE TABLE bouncer_results (
    batch_id       bigint NOT NULL REFERENCES bouncer_batches (id) ON DELETE CASCADE,
    global_id      uuid,
    bouncer_status text NOT NULL,
    bouncer_reason text,
    domain_info    jsonb,
    account_info   jsonb,
    dns_info       jsonb,
    provider       text,
    score          integer CHECK (score BETWEEN 0 AND 100),
    toxic          text,
    toxicity       integer,
    processed_ts   timestamptz NOT NULL DEFAULT now(),
    -- ours
    email          text NOT NULL,
    pass           text NOT NULL DEFAULT 'main' CHECK (pass IN ('main', 'deep')),
    extra          jsonb,   -- members of the row that have no column; with them the row is whole
    notes          jsonb,   -- what was odd about the row
    reuse_until    timestamptz,  -- until then it answers whoever asks; NULL: never
    PRIMARY KEY (batch_id, email)
);
CREATE INDEX bouncer_results_reusable ON bouncer_results (email, reuse_until) WHERE pass = 'main' AND reuse_until IS NOT NULL;
CREATE UNIQUE INDEX bouncer_results_deep_once ON bouncer_results (email) WHERE pass = 'deep';

CREATE TABLE bouncer_downloads (
    batch_id  bigint NOT NULL REFERENCES bouncer_batches (id) ON DELETE CASCADE,
    part      integer NOT NULL CHECK (part >= 0),
    body      bytea NOT NULL,  -- a piece of one gzip stream
    PRIMARY KEY (batch_id, part)
);
COMMENT ON TABLE bouncer_downloads IS 'What was downloaded and is not ingested yet.';

-- Rows on their way in; written and emptied by one transaction, so a crash has nothing to lose here.
CREATE UNLOGGED TABLE bouncer_incoming (
    batch_id       bigint NOT NULL,
    seq            integer NOT NULL,
    key            text COLLATE "C" NOT NULL,
    email          text NOT NULL,
    is_quarantined boolean NOT NULL,
    weight         smallint NOT NULL,  -- of two rows about one address the heavier one counts
    digest         text NOT NULL,      -- equal rows are equal here
    bouncer_status text NOT NULL,
    bouncer_reason text,
    domain_info    jsonb,
    account_info   jsonb,
    dns_info       jsonb,
    provider       text,
    score          integer,
    toxic          text,
    toxicity       integer,
    extra          jsonb,
    notes          jsonb
);
CREATE INDEX bouncer_incoming_key ON bouncer_incoming (batch_id, key);

CREATE TABLE bouncer_dead_letter_queue (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id      bigint REFERENCES bouncer_batches (id) ON DELETE CASCADE,
    user_id       text REFERENCES clients (name),
    request_id    bigint REFERENCES requests (id) ON DELETE CASCADE,
    error_message text NOT NULL,
    failed_ts     timestamptz NOT NULL DEFAULT now(),
    reviewed      boolean NOT NULL DEFAULT false,
    -- ours
    email         text,     -- NULL: the whole batch
    reason        text NOT NULL,
    detail        jsonb,
    resolved_ts   timestamptz,
    resolution    text CHECK (resolution IN ('retried', 'settled', 'adopted', 'resubmitted', 'abandoned', 'recovered')),
    CHECK ((resolved_ts IS NULL) = (resolution IS NULL))
);
CREATE INDEX bouncer_dead_letter_queue_open ON bouncer_dead_letter_queue (failed_ts) WHERE NOT reviewed;
CREATE INDEX bouncer_dead_letter_queue_batch ON bouncer_dead_letter_queue (batch_id);
CREATE INDEX bouncer_dead_letter_queue_request ON bouncer_dead_letter_queue (request_id);

CREATE TABLE bouncer_health_metrics (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    metric_name   text NOT NULL,
    metric_value  bigint NOT NULL,
    recorded_ts   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX bouncer_health_metrics_name ON bouncer_health_metrics (metric_name, recorded_ts);

CREATE TABLE bouncer_rate_limit (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_count    integer NOT NULL DEFAULT 0,   -- calls of the current window, for people
    window_start_ts  timestamptz NOT NULL DEFAULT now(),
    window_end_ts    timestamptz NOT NULL DEFAULT now() + interval '1 minute',
    bucket           text NOT NULL UNIQUE,
    next_free_ts     timestamptz NOT NULL DEFAULT now(),
    blocked_until_ts timestamptz
);
COMMENT ON TABLE bouncer_rate_limit IS 'One row per bucket: the limit is that next_free_ts moves with every call, by this server''s clock.';

CREATE TABLE bouncer_budgets (
    pass       text NOT NULL CHECK (pass IN ('main', 'deep')),
    client     text NOT NULL,           -- '': the whole account
    period     text NOT NULL CHECK (period IN ('day', 'month')),
    starts_on  date NOT NULL,
    credits    integer NOT NULL DEFAULT 0 CHECK (credits >= 0),  -- reserved or used
    cap        integer CHECK (cap >= 0),
    PRIMARY KEY (pass, client, period, starts_on),
    CONSTRAINT bouncer_budgets_cap CHECK (cap IS NULL OR credits <= cap)
);

CREATE TABLE bouncer_accounts (
    pass            text PRIMARY KEY CHECK (pass IN ('main', 'deep')),
    credits         integer,
    credits_ts      timestamptz,
    key_hash        text NOT NULL DEFAULT '',  -- a new key ends a stop
    stopped_ts      timestamptz,               -- no call at all: the key is refused
    paused_ts       timestamptz,               -- nothing is created: no credits, or our request is refused
    pause_reason    text,
    check_ts        timestamptz,               -- when to look again
    last_error      text
);
INSERT INTO bouncer_accounts (pass) VALUES ('main'), ('deep');
