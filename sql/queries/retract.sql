-- lock_domains --
-- Lock the rows of the domains of finished requests, in order.
SELECT q.domain FROM domain_queue AS q
WHERE q.domain IN (SELECT r.domain FROM requests AS r WHERE r.id = ANY ($1::bigint[]) AND r.state = 'done')
ORDER BY q.domain
FOR UPDATE;

-- lock_requests --
-- Lock those of the requests that are finished, in order, and return what each counts for.
SELECT
    r.id, r.submission_id, r.status, r.reason, r.confidence, r.is_disposable, r.is_role, r.is_free, r.email, r.deferrals
FROM requests AS r
WHERE r.id = ANY ($1::bigint[]) AND r.state = 'done' AND r.reason <> $2
ORDER BY r.id
FOR UPDATE;

-- requeue --
-- Make finished requests queued again: as if their last attempt had been deferred, or as if never tried.
UPDATE requests AS r
SET
    state = 'queued',
    due_at = $2,
    attempt = CASE WHEN $4::boolean THEN 0 ELSE r.attempt END,
    deferrals = CASE WHEN $4 THEN 0 ELSE r.deferrals + 1 END,
    deferral_reason = $3,
    first_tried_at = CASE WHEN $4 THEN now() ELSE r.first_tried_at END,  -- from then on counts how long they wait
    status = NULL,
    reason = NULL,
    reasons = NULL,
    confidence = NULL,
    contributions = NULL,
    score_facts = NULL,
    mx_host = NULL,
    reply = NULL,
    source = NULL,
    checked_at = NULL,
    finished_at = NULL
WHERE r.id = ANY ($1::bigint[]);

-- lock_undecided --
-- Lock those of the requests that ended as unknown, in order, and return what each counts for.
SELECT r.* FROM requests AS r
WHERE r.id = ANY ($1::bigint[]) AND r.state = 'done' AND r.status = 'unknown'
ORDER BY r.id
FOR UPDATE;

-- queue_domains --
-- Make the domains of queued requests due with them, unless a visit goes on: its end sets the time.
INSERT INTO domain_queue AS q (domain, priority, next_due)
SELECT r.domain, max(r.priority), $2::timestamptz FROM requests AS r WHERE r.id = ANY ($1::bigint[])
GROUP BY r.domain
ORDER BY r.domain
ON CONFLICT (domain) DO UPDATE SET
    priority = greatest(q.priority, excluded.priority),
    next_due = greatest(least(q.next_due, excluded.next_due), q.not_before)
WHERE q.leased_until IS NULL;

-- time_now --
-- When this transaction began.
SELECT now();

-- end_unknown --
-- Turn the verdict of finished requests into one that says nothing about their mailboxes.
UPDATE requests AS r
SET status = 'unknown', reason = $2, reasons = $3, confidence = $4, contributions = $5, score_facts = $6
WHERE r.id = ANY ($1::bigint[]);

-- retract_validations --
-- Turn what was concluded about mailboxes since a time into what says nothing; nobody may use it again.
WITH held AS MATERIALIZED (
    SELECT v.id FROM email_validation AS v
    WHERE v.email = ANY ($1::text[]) AND v.checked_at >= $2 AND v.source IN ('probe', 'cache')
    ORDER BY v.email, v.contact_id
    FOR UPDATE
)

UPDATE email_validation AS v
SET
    status = 'unknown',
    reason = $3,
    reasons = $4,
    confidence = $5,
    contributions = $6,
    score_facts = $7,
    error = $3,
    fresh_until = NULL,
    updated_at = now()
FROM held AS h
WHERE v.id = h.id;

-- uncount_finished --
-- Take requests back from the finished ones of their submissions; the rows must be locked before.
UPDATE submissions AS s
SET finished = s.finished - u.requests, finished_at = NULL
FROM unnest($1::bigint[], $2::bigint[]) AS u (id, requests)
WHERE s.id = u.id;

-- uncount_outcomes --
-- Take requests back from the counts by all that a policy looks at; the submissions must be locked before.
UPDATE submission_counts AS c
SET requests = c.requests - u.requests
FROM unnest(
    $1::bigint[], $2::text[], $3::text[], $4::smallint[], $5::boolean[], $6::boolean[], $7::boolean[], $8::bigint[]
) AS u (submission_id, status, reason, confidence, is_disposable, is_role, is_free, requests)
WHERE
    c.submission_id = u.submission_id AND c.status = u.status AND c.reason = u.reason AND c.confidence = u.confidence
    AND c.is_disposable = u.is_disposable AND c.is_role = u.is_role AND c.is_free = u.is_free;
