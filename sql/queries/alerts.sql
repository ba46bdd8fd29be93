-- list_alerts --
-- What holds, and what was over lately; worst first.
SELECT a.node, a.name, a.severity, a.summary, a.value, a.since, a.told_at, a.cleared_at
FROM alerts AS a
WHERE a.cleared_at IS NULL OR a.cleared_at > now() - $1::interval
ORDER BY a.cleared_at IS NOT NULL, a.severity, a.since, a.node, a.name;

-- load_alerts --
-- What holds at a node as far as it was written.
SELECT a.node, a.name, a.severity, a.summary, a.value, a.since, a.told_at, a.cleared_at
FROM alerts AS a
WHERE a.node = $1 AND a.cleared_at IS NULL;

-- save_alerts --
-- Write how a node's alerts are now.
INSERT INTO alerts (node, name, severity, summary, value, since, told_at, cleared_at)
SELECT $1, u.name, u.severity, u.summary, u.value, u.since, u.told_at, u.cleared_at
FROM
    unnest(
        $2::text[], $3::text[], $4::text[], $5::double precision[], $6::timestamptz[], $7::timestamptz[],
        $8::timestamptz[]
    ) AS u (name, severity, summary, value, since, told_at, cleared_at)
ON CONFLICT (node, name) DO UPDATE SET
    severity = excluded.severity, summary = excluded.summary, value = excluded.value, since = excluded.since,
    told_at = excluded.told_at, cleared_at = excluded.cleared_at;

-- tell_operator --
-- Put a message for the operator into the outbox.
INSERT INTO outbox (kind, payload) VALUES ('alert', $1)
RETURNING event_id;

-- find_told --
-- What became of a message: whether it still waits to be spread, and each of its deliveries.
SELECT d.target, d.state, d.reason, d.attempts, w.url
FROM deliveries AS d
LEFT JOIN webhooks AS w ON d.webhook_id = w.id
WHERE d.event_id = $1
ORDER BY d.target;

-- is_waiting --
-- Whether a message still stands in the outbox.
SELECT EXISTS (SELECT FROM outbox AS o WHERE o.event_id = $1);
