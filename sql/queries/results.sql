-- find_result --
-- One request of a submission, with its client and that client's policy.
SELECT
    s.client, c.policy,
    r.id, r.idx, r.address, r.email, r.contact_id, r.state, r.status, r.reason, r.reasons, r.confidence,
    r.is_disposable, r.is_role, r.is_free, r.suggestion, r.mx_host, r.reply, r.source, r.attempt, r.deferral_reason,
    r.due_at, r.checked_at, r.finished_at, r.contributions
FROM requests AS r
INNER JOIN submissions AS s ON r.submission_id = s.id
INNER JOIN clients AS c ON s.client = c.name
WHERE r.submission_id = $1 AND r.idx = $2;
