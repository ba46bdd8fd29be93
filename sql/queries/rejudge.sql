-- lock_judged --
-- Lock, in order, the verdicts that new events may change: accepted ones where mail bounced or was complained
-- about, and those that say so already where somebody showed life since.
SELECT v.* FROM email_validation AS v
WHERE (lower(v.email) = ANY ($1::text[]) AND v.status IN ('valid', 'accept_all', 'free_provider'))
    OR (lower(v.email) = ANY ($2::text[]) AND v.reason IN ('hard_bounce', 'complaint'))
ORDER BY v.email, v.contact_id
FOR UPDATE;

-- update_judged --
-- Write verdicts that history changed; their evidence and the time they were asked stay.
UPDATE email_validation AS v
SET
    status = u.status,
    reason = u.reason,
    reasons = u.reasons,
    confidence = u.confidence,
    contributions = u.contributions,
    score_facts = u.score_facts,
    fresh_until = u.fresh_until,
    updated_at = now()
FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::integer[], $6::jsonb[], $7::jsonb[], $8::timestamptz[]
) AS u (id, status, reason, reasons, confidence, contributions, score_facts, fresh_until)
WHERE v.id = u.id;

-- find_written_beside --
-- Mailboxes whose accepted verdict was written at about the time their bounce came in: judged without it, perhaps.
SELECT DISTINCT lower(e.email) AS email
FROM email_events AS e INNER JOIN email_validation AS v ON lower(e.email) = lower(v.email)
WHERE e.event_type = 'hard_bounce' AND e.recorded_at > now() - $1::interval
    AND v.status IN ('valid', 'accept_all') AND v.updated_at >= e.recorded_at
ORDER BY 1
LIMIT $2;
