-- add_events --
-- Keep what campaigns told; an event that is known already changes nothing.
INSERT INTO email_events (email, event_type, event_at, campaign_id)
SELECT u.email, u.event_type, u.event_at, u.campaign_id
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::uuid[]) AS u (email, event_type, event_at, campaign_id)
ON CONFLICT DO NOTHING
RETURNING 1;

-- load_histories --
-- How often each kind of event happened to mailboxes, whatever their case.
SELECT
    lower(e.email) AS email,
    count(*) FILTER (WHERE e.event_type = 'hard_bounce') AS hard_bounces,
    count(*) FILTER (WHERE e.event_type = 'soft_bounce') AS soft_bounces,
    count(*) FILTER (WHERE e.event_type = 'open') AS opens,
    count(*) FILTER (WHERE e.event_type = 'reply') AS replies
FROM email_events AS e
WHERE lower(e.email) = ANY ($1::text[])
GROUP BY lower(e.email);
