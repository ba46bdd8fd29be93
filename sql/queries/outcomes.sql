-- finish_requests --
-- Give requests their outcome, once, and return what each changed for its submission.
UPDATE requests AS r
SET
    state = 'done',
    due_at = NULL,
    finished_at = now(),
    attempt = u.attempts,
    deferral_reason = NULL,
    pin = NULL,
    first_tried_at = coalesce(r.first_tried_at, now()),
    status = u.status,
    reason = u.reason,
    reasons = u.reasons,
    confidence = u.confidence,
    is_disposable = u.is_disposable,
    is_role = u.is_role,
    is_free = u.is_free,
    suggestion = u.suggestion,
    mx_host = u.mx_host,
    reply = u.reply,
    source = u.source,
    checked_at = coalesce(u.checked_at, now()),
    contributions = u.contributions,
    score_facts = u.score_facts
FROM unnest(
    $1::bigint[], $2::integer[], $3::text[], $4::text[], $5::jsonb[], $6::smallint[], $7::boolean[],
    $8::boolean[], $9::boolean[], $10::text[], $11::text[], $12::text[], $13::text[], $14::timestamptz[],
    $15::jsonb[], $16::jsonb[]
) AS u (
    id, attempts, status, reason, reasons, confidence, is_disposable, is_role, is_free, suggestion, mx_host,
    reply, source, checked_at, contributions, score_facts
)
WHERE r.id = u.id AND r.state <> 'done'
RETURNING r.submission_id, r.status, r.reason, r.confidence, r.is_disposable, r.is_role, r.is_free;

-- defer_requests --
-- Write when requests are due again and why; the counts are absolute, so that a repeat changes nothing.
UPDATE requests AS r
SET
    due_at = u.due_at,
    attempt = u.attempt,
    deferrals = u.deferrals,
    deferral_reason = u.reason,
    pin = u.pin,
    first_tried_at = coalesce(r.first_tried_at, now())
FROM unnest($1::bigint[], $2::timestamptz[], $3::integer[], $4::integer[], $5::text[], $6::jsonb[])
    AS u (id, due_at, attempt, deferrals, reason, pin)
WHERE r.id = u.id AND r.state IN ('queued', 'paused');

-- hand_over --
-- Leave requests to the paid second opinion, with what our own probe said.
UPDATE requests AS r
SET
    state = 'handed_over',
    due_at = NULL,
    attempt = r.attempt + 1,
    deferral_reason = 'handed_over',
    pin = NULL,
    first_tried_at = coalesce(r.first_tried_at, now()),
    probe = u.probe
FROM unnest($1::bigint[], $2::jsonb[]) AS u (id, probe)
WHERE r.id = u.id AND r.state = 'queued';

-- upsert_validations --
-- Write verdicts, one row per contact and address; an older verdict never replaces a newer one, and one
-- that is only used again does not replace itself: who said it first stays known.
INSERT INTO email_validation AS v (
    contact_id, email, domain, attempts, status, reason, reasons, confidence, is_disposable, is_role, is_free,
    suggestion, mx_host, reply, source, checked_at, contributions, score_facts, mx_hosts, dns_trace, smtp_trace,
    ttl_expires_at, fresh_until, error
)
SELECT
    u.contact_id, u.email, u.domain, u.attempts, u.status, u.reason, u.reasons, u.confidence, u.is_disposable,
    u.is_role, u.is_free, u.suggestion, u.mx_host, u.reply, u.source, coalesce(u.checked_at, now()),
    u.contributions, u.score_facts, u.mx_hosts, u.dns_trace, u.smtp_trace, u.ttl_expires_at, u.fresh_until,
    CASE WHEN u.status = 'unknown' THEN u.reason END
FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::jsonb[], $8::smallint[],
    $9::boolean[], $10::boolean[], $11::boolean[], $12::text[], $13::text[], $14::text[], $15::text[],
    $16::timestamptz[], $17::jsonb[], $18::jsonb[], $19::jsonb[], $20::jsonb[], $21::jsonb[], $22::timestamptz[],
    $23::timestamptz[]
) AS u (
    contact_id, email, domain, attempts, status, reason, reasons, confidence, is_disposable, is_role, is_free,
    suggestion, mx_host, reply, source, checked_at, contributions, score_facts, mx_hosts, dns_trace, smtp_trace,
    ttl_expires_at, fresh_until
)
ORDER BY u.email, u.contact_id
ON CONFLICT ON CONSTRAINT email_validation_contact_email DO UPDATE SET
    domain = excluded.domain,
    attempts = excluded.attempts,
    status = excluded.status,
    reason = excluded.reason,
    reasons = excluded.reasons,
    confidence = excluded.confidence,
    is_disposable = excluded.is_disposable,
    is_role = excluded.is_role,
    is_free = excluded.is_free,
    suggestion = excluded.suggestion,
    mx_host = excluded.mx_host,
    reply = excluded.reply,
    source = excluded.source,
    checked_at = excluded.checked_at,
    contributions = excluded.contributions,
    score_facts = excluded.score_facts,
    mx_hosts = excluded.mx_hosts,
    dns_trace = excluded.dns_trace,
    smtp_trace = excluded.smtp_trace,
    ttl_expires_at = excluded.ttl_expires_at,
    fresh_until = excluded.fresh_until,
    error = excluded.error,
    updated_at = now()
WHERE v.checked_at < excluded.checked_at OR (v.checked_at = excluded.checked_at AND excluded.source <> 'cache');

-- lock_submissions --
-- Lock submissions in order, before their counts change.
SELECT s.id FROM submissions AS s
WHERE s.id = ANY ($1::bigint[])
ORDER BY s.id
FOR NO KEY UPDATE;

-- count_finished --
-- Add finished requests to submissions and return those that are complete now; the rows must be locked before.
UPDATE submissions AS s
SET
    finished = s.finished + u.finished,
    finished_at = CASE
        WHEN s.finished + u.finished = s.requests AND s.requests >= coalesce(s.expected, 0) THEN now()
    END
FROM unnest($1::bigint[], $2::bigint[]) AS u (id, finished)
WHERE s.id = u.id
RETURNING s.id, s.finished_at;

-- count_outcomes --
-- Add finished requests to the counts by all that a policy looks at; the submissions must be locked before.
INSERT INTO submission_counts AS c (
    submission_id, status, reason, confidence, is_disposable, is_role, is_free, requests
)
SELECT u.submission_id, u.status, u.reason, u.confidence, u.is_disposable, u.is_role, u.is_free, u.requests
FROM unnest(
    $1::bigint[], $2::text[], $3::text[], $4::smallint[], $5::boolean[], $6::boolean[], $7::boolean[], $8::bigint[]
) AS u (submission_id, status, reason, confidence, is_disposable, is_role, is_free, requests)
ON CONFLICT (submission_id, status, reason, confidence, is_disposable, is_role, is_free)
DO UPDATE SET requests = c.requests + excluded.requests;

-- announce_finished --
-- Put a message about each complete submission into the outbox, but for single checks; its counts are labelled when it is sent.
INSERT INTO outbox (kind, client, payload)
SELECT
    'submission_finished', s.client,
    jsonb_build_object(
        'submission_id', s.id, 'client', s.client, 'submission', s.submission, 'requests', s.requests,
        'finished_at', s.finished_at
    )
FROM submissions AS s
WHERE s.id = ANY ($1::bigint[]) AND NOT starts_with(s.submission, 'check:')
ORDER BY s.id;
