-- Events by domain: what campaigns told of a domain's mailboxes is looked at when disposable domains are proposed.

ALTER TABLE email_events
    ADD COLUMN domain text GENERATED ALWAYS AS (lower(substring(email FROM '[^@]*$'))) STORED;
CREATE INDEX email_events_domain ON email_events (domain, event_at);
