-- What campaigns told: clicks and complaints too, when it was told, and the sums of each domain.

ALTER TABLE email_events DROP CONSTRAINT email_events_event_type_check;
ALTER TABLE email_events
    ADD CONSTRAINT email_events_event_type_check
    CHECK (event_type IN ('hard_bounce', 'soft_bounce', 'open', 'click', 'reply', 'complaint')),
    ADD COLUMN recorded_at timestamptz NOT NULL DEFAULT now();
-- Bounces that arrived lately: verdicts written beside them are looked at again.
CREATE INDEX email_events_bounces ON email_events (recorded_at) WHERE event_type = 'hard_bounce';

CREATE TABLE domain_events (
    domain      text NOT NULL,
    week        date NOT NULL CHECK (extract(isodow FROM week) = 1),    -- the Monday (UTC) it begins with
    event_type  text NOT NULL,
    events      integer NOT NULL CHECK (events >= 0),
    PRIMARY KEY (domain, week, event_type)
);
COMMENT ON TABLE domain_events IS 'Events per domain and week, kept with them: what a domain is like never reads its mailboxes.';

INSERT INTO domain_events (domain, week, event_type, events)
SELECT
    lower(regexp_replace(e.email, '^.*@', '')),
    date_trunc('week', e.event_at AT TIME ZONE 'UTC')::date,
    e.event_type,
    count(*)
FROM email_events AS e
WHERE e.email LIKE '%@%'
GROUP BY 1, 2, 3;
