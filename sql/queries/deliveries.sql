-- fetch_events --
-- The oldest messages of the outbox.
SELECT o.id, o.kind, o.client, o.payload, o.event_id, o.created_at FROM outbox AS o
WHERE o.due_at <= now()
ORDER BY o.id
LIMIT $1;

-- find_work --
-- Whether the outbox holds anything, and whether a delivery is due.
SELECT
    EXISTS (SELECT FROM outbox AS o WHERE o.due_at <= now()) AS has_events,
    EXISTS (SELECT FROM deliveries AS d WHERE d.state = 'pending' AND d.due_at <= now()) AS has_due;

-- take_spread_lock --
-- Whether this transaction may spread: one at a time, so that places keep their order.
SELECT pg_try_advisory_xact_lock(hashtextextended('validatord outbox', 0));

-- spread_events --
-- Turn messages of the outbox into one delivery for each who wants to hear of them, in one stroke.
WITH taken AS (
    DELETE FROM outbox AS o WHERE o.id = ANY ($1::bigint[])
    RETURNING o.id, o.client, o.event_id, o.created_at
), events AS (
    SELECT t.id, t.client, t.event_id, t.created_at, u.type, u.payload, u.channel
    FROM taken AS t
    INNER JOIN unnest($1::bigint[], $2::text[], $3::jsonb[], $4::text[]) AS u (id, type, payload, channel) ON t.id = u.id
), targets AS (
    SELECT e.id, 'webhook:' || w.id AS target, w.id AS webhook_id
    FROM events AS e
    INNER JOIN webhooks AS w
        ON w.is_enabled AND (cardinality(w.events) = 0 OR e.type = ANY (w.events))
            AND (w.client IS NULL OR w.client = e.client)
    UNION ALL
    SELECT e.id, e.channel, NULL FROM events AS e WHERE e.channel <> ''
)
INSERT INTO deliveries (target, webhook_id, event_id, type, client, subject, place, payload, happened_at)
SELECT
    t.target, t.webhook_id, e.event_id, e.type, e.client, 'submission:' || (e.payload ->> 'submission_id'), e.id,
    e.payload, e.created_at
FROM targets AS t INNER JOIN events AS e ON t.id = e.id
ORDER BY e.id, t.target
ON CONFLICT (event_id, target) DO NOTHING
RETURNING 1;

-- lease_deliveries --
-- Take what is due, a few of each target, its next due time already written; what is about the same subject waits.
WITH targets AS (
    SELECT DISTINCT d.target FROM deliveries AS d
    WHERE d.state = 'pending' AND d.due_at <= now() AND d.target <> ALL ($3::text[])
), leased AS (
    SELECT c.id FROM targets AS t
    CROSS JOIN LATERAL (
        SELECT d.id FROM deliveries AS d
        LEFT JOIN webhooks AS w ON d.webhook_id = w.id
        WHERE d.target = t.target AND d.state = 'pending' AND d.due_at <= now()
            AND (d.webhook_id IS NULL OR w.is_enabled)
            AND NOT EXISTS (
                SELECT FROM deliveries AS e
                WHERE e.target = d.target AND e.subject = d.subject AND e.state = 'pending' AND e.place < d.place
            )
        ORDER BY d.due_at, d.place
        LIMIT $2
        FOR UPDATE OF d SKIP LOCKED
    ) AS c
    LIMIT $1
)
UPDATE deliveries AS d SET due_at = now() + $4::interval
FROM leased AS l
WHERE d.id = l.id
RETURNING d.*;

-- load_targets --
-- Where webhooks are and what their messages are signed with.
SELECT
    w.id, w.url, w.secret,
    CASE WHEN w.previous_until > now() THEN w.previous_secret END AS previous_secret
FROM webhooks AS w
WHERE w.id = ANY ($1::bigint[]);

-- record_attempt --
-- Write what became of an attempt; a repeat changes nothing.
UPDATE deliveries AS d
SET
    state = $3,
    reason = $4,
    due_at = CASE WHEN $3 = 'pending' THEN now() + $5::interval END,
    finished_at = CASE WHEN $3 <> 'pending' THEN now() END,
    attempt = d.attempt + 1,
    attempts = $6
WHERE d.id = $1 AND d.state = 'pending' AND d.attempt = $2
RETURNING 1;

-- disable_gone --
-- Send nothing more to a webhook whose receiver said that it is gone.
UPDATE webhooks AS w SET is_enabled = false, disabled_reason = $2 WHERE w.id = $1;

-- bury_disabled --
-- End what waits for a webhook that has been off for a day.
UPDATE deliveries AS d
SET state = 'dead', reason = 'webhook_disabled', due_at = NULL, finished_at = now()
FROM webhooks AS w
WHERE d.webhook_id = w.id AND NOT w.is_enabled AND d.state = 'pending' AND d.due_at < now() - interval '1 day'
RETURNING 1;

-- delete_old_deliveries --
-- Delete finished deliveries that were kept long enough.
DELETE FROM deliveries AS d WHERE d.state <> 'pending' AND d.finished_at < now() - $1::interval
RETURNING 1;

-- delete_surplus_deliveries --
-- Delete the oldest finished deliveries of each target beyond a number.
DELETE FROM deliveries AS d
WHERE d.id IN (
    SELECT n.id FROM (
        SELECT f.id, row_number() OVER (PARTITION BY f.target ORDER BY f.finished_at DESC, f.id DESC) AS number
        FROM deliveries AS f WHERE f.state <> 'pending'
    ) AS n
    WHERE n.number > $1
)
RETURNING 1;

-- list_deliveries --
-- The newest deliveries of a webhook, or of all, before a number.
SELECT d.* FROM deliveries AS d
LEFT JOIN webhooks AS w ON d.webhook_id = w.id
WHERE ($1::bigint IS NULL OR d.webhook_id = $1) AND ($2::text IS NULL OR w.client = $2)
    AND ($3::text IS NULL OR d.state = $3) AND ($4::bigint IS NULL OR d.id < $4)
ORDER BY d.id DESC
LIMIT $5;

-- redeliver --
-- Send a finished or waiting message again, now, under the same id.
UPDATE deliveries AS d
SET state = 'pending', due_at = now(), attempt = 0, reason = NULL, finished_at = NULL
WHERE d.id = $1 AND ($2::text IS NULL OR EXISTS (SELECT FROM webhooks AS w WHERE w.id = d.webhook_id AND w.client = $2))
RETURNING 1;

-- add_test_delivery --
-- Queue a message of type webhook.test for one webhook.
INSERT INTO deliveries (target, webhook_id, event_id, type, client, place, payload, happened_at)
SELECT 'webhook:' || w.id, w.id, gen_random_uuid(), 'webhook.test', w.client, 0, $2, now()
FROM webhooks AS w WHERE w.id = $1
RETURNING id;

-- count_pending --
-- How many deliveries wait, how old the oldest is in seconds, and how many are dead.
SELECT
    count(*) FILTER (WHERE d.state = 'pending') AS pending,
    coalesce(extract(EPOCH FROM now() - min(d.created_at) FILTER (WHERE d.state = 'pending')), 0)::float8 AS oldest_seconds,
    count(*) FILTER (WHERE d.state = 'dead') AS dead
FROM deliveries AS d;
