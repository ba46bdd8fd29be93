-- Events by domain, for proposals of disposable domains; verdicts by address whatever its case, for what bounced.

ALTER TABLE email_events
    ADD COLUMN domain text GENERATED ALWAYS AS (lower(substring(email FROM '[^@]*$'))) STORED;
CREATE INDEX email_events_domain ON email_events (domain, event_at);
CREATE INDEX email_validation_folded ON email_validation (lower(email));
