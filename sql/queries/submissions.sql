-- add_client --
-- Make sure that a client is known.
INSERT INTO clients (name) VALUES ($1) ON CONFLICT (name) DO NOTHING;

-- find_submission_id --
-- The number of a client's submission.
SELECT s.id FROM submissions AS s WHERE s.client = $1 AND s.submission = $2;

-- add_submission --
-- Make sure that a submission is known.
INSERT INTO submissions (client, submission, priority) VALUES ($1, $2, $3)
ON CONFLICT (client, submission) DO NOTHING;

-- count_ahead --
-- How many requests the client of a submission has unfinished in others of the same priority.
SELECT coalesce(sum(o.requests - o.finished), 0)::bigint
FROM submissions AS s
INNER JOIN submissions AS o ON s.client = o.client AND s.priority = o.priority AND s.id <> o.id
WHERE s.id = $1 AND o.finished_at IS NULL;

-- insert_queued --
-- Queue the requests that are not known yet and return which were not.
INSERT INTO requests (submission_id, idx, address, email, domain, contact_id, priority, due_at, reuse_from)
SELECT
    $1, u.idx, u.address, u.email, u.domain, u.contact_id, u.priority, now(), CASE WHEN $8::boolean THEN now() END
FROM unnest($2::integer[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::smallint[])
    AS u (idx, address, email, domain, contact_id, priority)
ON CONFLICT (submission_id, idx) DO NOTHING
RETURNING idx;

-- insert_answered --
-- Insert the requests that are not known yet with their outcome and return which were not.
INSERT INTO requests (
    submission_id, idx, address, email, domain, contact_id, state, finished_at, attempt, status, reason, reasons,
    confidence, is_disposable, is_role, is_free, suggestion, mx_host, reply, source, checked_at, contributions,
    score_facts
)
SELECT
    $1, u.idx, u.address, u.email, u.domain, u.contact_id, 'done', now(), u.attempts, u.status, u.reason, u.reasons,
    u.confidence, u.is_disposable, u.is_role, u.is_free, u.suggestion, u.mx_host, u.reply, u.source,
    coalesce(u.checked_at, now()), u.contributions, u.score_facts
FROM unnest(
    $2::integer[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::integer[], $8::text[], $9::text[],
    $10::jsonb[], $11::smallint[], $12::boolean[], $13::boolean[], $14::boolean[], $15::text[], $16::text[],
    $17::text[], $18::text[], $19::timestamptz[], $20::jsonb[], $21::jsonb[]
) AS u (
    idx, address, email, domain, contact_id, attempts, status, reason, reasons, confidence, is_disposable, is_role,
    is_free, suggestion, mx_host, reply, source, checked_at, contributions, score_facts
)
ON CONFLICT (submission_id, idx) DO NOTHING
RETURNING idx;

-- queue_domains --
-- Make domains due now, unless they wait for a later time on purpose.
INSERT INTO domain_queue AS q (domain, priority, next_due)
SELECT u.domain, u.priority, now()
FROM unnest($1::text[], $2::smallint[]) AS u (domain, priority)
ORDER BY u.domain
ON CONFLICT (domain) DO UPDATE SET
    priority = CASE WHEN q.next_due IS NULL THEN excluded.priority ELSE greatest(q.priority, excluded.priority) END,
    next_due = greatest(least(q.next_due, excluded.next_due), q.not_before)
-- A row that is as it should be is locked all the same: whoever releases the domain must see our requests.
WHERE
    q.next_due IS NULL OR q.next_due > excluded.next_due OR q.priority < excluded.priority OR q.not_before > q.next_due;

-- count_added --
-- Add requests to a submission; with more to do it is not complete any more.
UPDATE submissions AS s
SET
    requests = s.requests + $2,
    expected = greatest(s.expected, $3),
    campaign_at = coalesce($4, s.campaign_at),
    finished_at = CASE WHEN $2 = 0 THEN s.finished_at END,
    moved_to = CASE WHEN s.state = 'active' OR $2 = 0 THEN s.moved_to ELSE 0 END
WHERE s.id = $1;

-- find_fresh --
-- The newest verdict on each address that may be used again, under the terms of whoever asks.
SELECT DISTINCT ON (v.email) v.*
FROM email_validation AS v
WHERE
    v.email = ANY ($1::text[]) AND v.fresh_until IS NOT NULL
    AND now() < coalesce(
        v.checked_at + CASE v.status
            WHEN 'valid' THEN $2::interval
            WHEN 'invalid' THEN $3::interval
            WHEN 'risky' THEN $4::interval
            WHEN 'accept_all' THEN $5::interval
        END,
        v.fresh_until
    )
    AND ($7::timestamptz IS NULL OR coalesce(v.checked_at + $6::interval, v.ttl_expires_at) >= $7)
ORDER BY v.email, v.checked_at DESC;

-- get_submission --
-- One submission.
SELECT s.* FROM submissions AS s WHERE s.client = $1 AND s.submission = $2;

-- load_waiting --
-- What of a submission waits for a later time, by reason.
SELECT r.deferral_reason AS reason, count(*) AS requests, min(r.due_at) AS next_due
FROM requests AS r
WHERE r.submission_id = $1 AND r.state <> 'done' AND r.deferral_reason IS NOT NULL
GROUP BY r.deferral_reason
ORDER BY r.deferral_reason;

-- load_counts --
-- Finished requests of a submission by all that a policy looks at.
SELECT c.status, c.reason, c.confidence, c.is_disposable, c.is_role, c.is_free, c.requests
FROM submission_counts AS c
WHERE c.submission_id = $1 AND c.requests > 0
ORDER BY c.status, c.requests DESC, c.reason, c.confidence;

-- fetch_results --
-- The requests of a submission by their place in it, finished or not.
SELECT
    r.id, r.idx, r.address, r.email, r.contact_id, r.state, r.status, r.reason, r.reasons, r.confidence,
    r.is_disposable, r.is_role, r.is_free, r.suggestion, r.mx_host, r.reply, r.source, r.attempt, r.deferral_reason,
    r.due_at, r.checked_at, r.finished_at, r.contributions
FROM requests AS r
WHERE r.submission_id = $1 AND r.idx > $2
ORDER BY r.idx
LIMIT $3;

-- list_submissions --
-- The newest submissions, of one client or of all, before a number; not those whose names begin so.
SELECT s.* FROM submissions AS s
WHERE
    ($1::text IS NULL OR s.client = $1) AND ($2::bigint IS NULL OR s.id < $2)
    AND ($4 = '' OR NOT starts_with(s.submission, $4))
ORDER BY s.id DESC
LIMIT $3;

-- count_unfinished --
-- How many requests are not finished.
SELECT coalesce(sum(s.requests - s.finished), 0)::bigint FROM submissions AS s WHERE s.finished_at IS NULL;

-- find_next_chance --
-- When the first unfinished request of a submission can be asked: due itself, and its domain not put back.
SELECT
    min(greatest(r.due_at, CASE WHEN q.leased_until IS NULL THEN coalesce(q.next_due, now()) ELSE r.due_at END))
FROM requests AS r
INNER JOIN domain_queue AS q ON r.domain = q.domain
WHERE r.submission_id = $1 AND r.state = 'queued';

-- find_submission --
-- One submission by its number.
SELECT s.* FROM submissions AS s WHERE s.id = $1;
