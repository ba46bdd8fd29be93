-- find_live_key --
-- The key of that number, as long as it is neither revoked nor past its time.
SELECT k.id, k.client, k.scopes, k.expires_at FROM api_keys AS k
WHERE k.id = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now());

-- count_by_minute --
-- How many verdicts were written in each minute since then.
SELECT date_trunc('minute', v.updated_at) AS minute, count(*)::bigint AS verdicts
FROM email_validation AS v
WHERE v.updated_at >= $1
GROUP BY 1
ORDER BY 1;

-- sum_counts --
-- Finished requests of the submissions since then, of one client or of all, by all that a policy looks at.
SELECT
    s.client, c.status, c.reason, c.confidence, c.is_disposable, c.is_role, c.is_free,
    sum(c.requests)::bigint AS requests
FROM submission_counts AS c
INNER JOIN submissions AS s ON c.submission_id = s.id
WHERE s.created_at >= $2 AND ($1::text IS NULL OR s.client = $1)
GROUP BY s.client, c.status, c.reason, c.confidence, c.is_disposable, c.is_role, c.is_free;

-- sum_unfinished --
-- What is not finished, of one client or of all, and since when the oldest of it is there.
SELECT
    count(*)::bigint AS submissions, coalesce(sum(s.requests - s.finished), 0)::bigint AS requests,
    min(s.created_at) AS oldest_at
FROM submissions AS s
WHERE s.finished_at IS NULL AND ($1::text IS NULL OR s.client = $1);

-- count_since --
-- How many verdicts were written since then.
SELECT count(*)::bigint FROM email_validation AS v WHERE v.updated_at >= $1;

-- load_lanes --
-- What the lanes of all nodes remember.
SELECT s.node, s.lane, s.snapshot, s.updated_at FROM lane_state AS s
ORDER BY s.lane, s.node;

-- list_domains --
-- Domains with work, the most urgent first, and those that are known and begin with a text.
SELECT
    q.domain, q.lane, q.next_due, q.not_before, q.leased_until IS NOT NULL AS is_visited,
    c.provider_key, c.accept_all, c.accept_all_until, c.last_checked, c.mx_hosts,
    (
        SELECT count(*)::bigint
        FROM (SELECT FROM requests AS r WHERE r.domain = q.domain AND r.state = 'queued' LIMIT 10001) AS w
    ) AS waiting
FROM domain_queue AS q
LEFT JOIN domain_cache AS c ON q.domain = c.domain
WHERE
    starts_with(q.domain, $1)
    AND ($1 <> '' OR q.next_due IS NOT NULL OR q.leased_until IS NOT NULL)
    AND ($2 = '' OR q.lane = $2)
ORDER BY q.priority DESC, q.next_due NULLS LAST, q.domain
LIMIT $3;

-- find_open_requests --
-- The newest requests about an address in unfinished submissions, of one client or of all.
SELECT r.id, r.submission_id, s.client, s.submission, r.state, r.due_at, r.deferral_reason, r.attempt, r.created_at
FROM submissions AS s
INNER JOIN requests AS r ON s.id = r.submission_id
WHERE
    s.finished_at IS NULL AND r.email = $1 AND r.state <> 'done' AND r.domain = $2
    AND ($3::text IS NULL OR s.client = $3)
ORDER BY r.id DESC
LIMIT 20;

-- list_clients --
-- Every client with its policy, its live keys and what of it is not finished.
SELECT
    c.name, c.policy, c.created_at,
    (
        SELECT count(*)::bigint FROM api_keys AS k
        WHERE k.client = c.name AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
    ) AS live_keys,
    (
        SELECT coalesce(sum(s.requests - s.finished), 0)::bigint FROM submissions AS s
        WHERE s.client = c.name AND s.finished_at IS NULL
    ) AS unfinished
FROM clients AS c
ORDER BY c.name
LIMIT 1000;

-- get_client --
-- The policy of one client, and since when it is known.
SELECT c.name, c.policy, c.created_at FROM clients AS c WHERE c.name = $1;

-- load_states --
-- Those of some submissions that are paused or cancelled.
SELECT s.id, s.state FROM submissions AS s WHERE s.id = ANY ($1::bigint[]) AND s.state <> 'active';
