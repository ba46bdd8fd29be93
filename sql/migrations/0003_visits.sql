-- What visits keep besides verdicts: the health of domains, and what was asked today.

ALTER TABLE domain_cache
    ADD COLUMN health_checked_at timestamptz,   -- when spf, dmarc and is_redundant were looked up
    ADD COLUMN is_redundant boolean,            -- several MX hosts in several networks
    ADD COLUMN rcpt_day date,                   -- the day (UTC) …
    ADD COLUMN rcpt_count integer NOT NULL DEFAULT 0 CHECK (rcpt_count >= 0);   -- … on which so many RCPT were sent

CREATE TABLE client_days (
    client      text NOT NULL REFERENCES clients (name),
    day         date NOT NULL,
    requests    bigint NOT NULL DEFAULT 0 CHECK (requests >= 0),
    PRIMARY KEY (client, day)
);
COMMENT ON TABLE client_days IS 'Mailboxes asked about for a client on a day (UTC), counted before they are asked.';
