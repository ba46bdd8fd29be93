-- What an operator says about the queue.

CREATE TABLE pauses (
    kind        text NOT NULL CHECK (kind IN ('intake', 'verification', 'lane', 'domain')),
    key         text NOT NULL DEFAULT '' CHECK (length(key) <= 400),  -- a lane, a provider's key, a domain
    reason      text NOT NULL DEFAULT '' CHECK (length(reason) <= 500),
    paused_by   text NOT NULL DEFAULT '' CHECK (length(paused_by) <= 100),
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, key),
    CHECK ((key = '') = (kind IN ('intake', 'verification')))
);
COMMENT ON TABLE pauses IS 'What rests until an operator says otherwise; read by every daemon.';

CREATE TABLE lane_resets (
    lane      text PRIMARY KEY CHECK (length(lane) BETWEEN 1 AND 400),
    asked_by  text NOT NULL DEFAULT '' CHECK (length(asked_by) <= 100),
    asked_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE lane_resets IS 'Lanes whose breaker an operator wants closed; each daemon looks for what was asked since it looked last.';

-- Every request is updated about twice; dead rows must go before they outnumber the living.
ALTER TABLE requests SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE domain_queue SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

ALTER TABLE email_validation ADD COLUMN asked_again_at timestamptz;  -- when upkeep last put it back into the queue
CREATE INDEX email_validation_outdated ON email_validation (ttl_expires_at) WHERE contact_id IS NOT NULL;
CREATE INDEX email_events_age ON email_events (event_at);

ALTER TABLE bouncer_batches ADD COLUMN results_deleted_ts timestamptz;  -- its rows in bouncer_results were kept long enough

CREATE INDEX submissions_lines ON submissions (client, priority) WHERE finished_at IS NULL;
