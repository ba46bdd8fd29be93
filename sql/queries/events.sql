-- add_events --
-- Keep what campaigns told and return what is new; an event that is known already changes nothing.
INSERT INTO email_events (email, event_type, event_at, campaign_id)
SELECT u.email, u.event_type, u.event_at, u.campaign_id
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::uuid[]) AS u (email, event_type, event_at, campaign_id)
ORDER BY u.email, u.event_type, u.event_at, u.campaign_id
ON CONFLICT DO NOTHING
RETURNING email, event_type, event_at;

-- count_events --
-- Add new events to the sums of their domains.
INSERT INTO domain_events AS d (domain, week, event_type, events)
SELECT u.domain, u.week, u.event_type, u.events
FROM unnest($1::text[], $2::date[], $3::text[], $4::integer[]) AS u (domain, week, event_type, events)
ORDER BY u.domain, u.week, u.event_type
ON CONFLICT (domain, week, event_type) DO UPDATE SET events = d.events + excluded.events;

-- load_histories --
-- When each kind of event happened to mailboxes, newest first, whatever their case.
SELECT
    lower(e.email) AS email,
    e.event_type,
    (array_agg(e.event_at ORDER BY e.event_at DESC))[1:$2::integer] AS times
FROM email_events AS e
WHERE lower(e.email) = ANY ($1::text[])
GROUP BY lower(e.email), e.event_type;

-- load_domain_histories --
-- The sums of domains by week since a day.
SELECT d.domain, d.week, d.event_type, d.events FROM domain_events AS d
WHERE d.domain = ANY ($1::text[]) AND d.week >= $2::date;
