-- count_states --
-- Batches by pass and state.
SELECT b.pass, b.state, count(*)::bigint AS batches, coalesce(sum(b.quantity), 0)::bigint AS addresses
FROM bouncer_batches AS b
GROUP BY b.pass, b.state
ORDER BY b.pass, b.state;

-- get_totals --
-- What was bought so far: batches that were created, their addresses, the credits they cost.
SELECT
    count(*)::bigint AS batches, coalesce(sum(b.quantity), 0)::bigint AS addresses,
    coalesce(sum(b.credits), 0)::bigint AS credits
FROM bouncer_batches AS b
WHERE b.batch_id IS NOT NULL;

-- count_queue --
-- Requests by status in the queue, and since when the oldest waits.
SELECT q.pass, q.status, count(*)::bigint AS requests, min(q.created_ts) FILTER (WHERE q.status = 'queued') AS oldest_ts
FROM bouncer_queue AS q
GROUP BY q.pass, q.status
ORDER BY q.pass, q.status;

-- add_metrics --
-- Write health figures.
INSERT INTO bouncer_health_metrics (metric_name, metric_value)
SELECT u.name, u.value FROM unnest($1::text[], $2::bigint[]) AS u (name, value);

-- latest_metrics --
-- The newest figure of each name.
SELECT DISTINCT ON (m.metric_name) m.metric_name, m.metric_value, m.recorded_ts
FROM bouncer_health_metrics AS m
WHERE m.recorded_ts > now() - interval '1 day'
ORDER BY m.metric_name, m.recorded_ts DESC;

-- delete_metrics --
-- Forget old figures.
DELETE FROM bouncer_health_metrics AS m WHERE m.recorded_ts < now() - $1::interval;

-- add_dead_letter --
-- Set a whole batch before a person.
INSERT INTO bouncer_dead_letter_queue (batch_id, user_id, request_id, reason, error_message)
SELECT b.id, b.user_id, (SELECT r.id FROM requests AS r WHERE r.id = b.request_id), $2, $3
FROM bouncer_batches AS b WHERE b.id = $1
AND NOT EXISTS (
    SELECT FROM bouncer_dead_letter_queue AS d
    WHERE d.batch_id = $1 AND d.email IS NULL AND d.reason = $2 AND d.resolved_ts IS NULL
)
RETURNING id;

-- list_dead_letters --
-- Dead letters, newest first; reviewed ones only if wanted.
SELECT d.* FROM bouncer_dead_letter_queue AS d
WHERE ($1 OR NOT d.reviewed)
ORDER BY d.id DESC
LIMIT $2;

-- get_dead_letter --
-- One dead letter, for us alone.
SELECT d.* FROM bouncer_dead_letter_queue AS d WHERE d.id = $1 FOR UPDATE;

-- review_dead_letter --
-- Somebody has seen it.
UPDATE bouncer_dead_letter_queue AS d SET reviewed = true WHERE d.id = $1 RETURNING d.id;

-- resolve_dead_letter --
-- Somebody has dealt with it.
UPDATE bouncer_dead_letter_queue AS d
SET reviewed = true, resolved_ts = now(), resolution = $2
WHERE d.id = $1 AND d.resolved_ts IS NULL;

-- resolve_of_batch --
-- Whatever is said about the batch as a whole is dealt with.
UPDATE bouncer_dead_letter_queue AS d
SET reviewed = true, resolved_ts = now(), resolution = $2
WHERE d.batch_id = $1 AND d.email IS NULL AND d.resolved_ts IS NULL;

-- count_dead_letters --
-- How many nobody has seen.
SELECT count(*)::bigint FROM bouncer_dead_letter_queue AS d WHERE NOT d.reviewed;

-- estimate_submission --
-- What of a submission is decided, waits for Bouncer, is under way there, or is not tried yet.
SELECT
    count(*)::bigint AS requests,
    count(*) FILTER (WHERE r.state = 'done')::bigint AS finished,
    count(DISTINCT r.email) FILTER (WHERE q.status = 'queued')::bigint AS waiting,
    count(DISTINCT r.email) FILTER (WHERE q.status = 'assigned')::bigint AS under_way,
    count(DISTINCT r.email) FILTER (WHERE r.state = 'queued')::bigint AS not_tried
FROM requests AS r
LEFT JOIN bouncer_queue AS q ON r.id = q.request_id
WHERE r.submission_id = $1;

-- share_handed_over --
-- Of the last finished requests that our own probe answered, how many were handed over.
SELECT count(*)::bigint AS finished, count(*) FILTER (WHERE t.probe IS NOT NULL)::bigint AS handed_over
FROM (
    SELECT r.probe FROM requests AS r
    WHERE r.state = 'done' AND r.attempt > 0 AND r.source IN ('probe', 'bouncer')
    ORDER BY r.id DESC
    LIMIT 20000
) AS t;

-- find_paid_for --
-- Of these addresses, those that need not be bought: a verdict is fresh, or a batch is under way.
SELECT u.email
FROM unnest($1::text[]) AS u (email)
WHERE
    EXISTS (SELECT FROM email_validation AS v WHERE v.email = u.email AND v.fresh_until > now())
    OR EXISTS (SELECT FROM bouncer_members AS m WHERE m.is_live AND m.key = lower(u.email COLLATE "C"));
