-- fetch_requests --
-- Finished requests after a number, by their number, with what their confidence was counted from.
SELECT
    r.id, r.submission_id, r.email, r.domain, r.status, r.reason, r.reasons, r.confidence, r.is_disposable, r.is_role,
    r.is_free, r.suggestion, r.checked_at, r.contributions, r.score_facts
FROM requests AS r
WHERE r.id > $1 AND r.state = 'done'
ORDER BY r.id
LIMIT $2;

-- fetch_validations --
-- Verdicts after an id, by their id, with what their confidence was counted from.
SELECT
    v.id, v.email, v.domain, v.status, v.reason, v.reasons, v.confidence, v.is_disposable, v.is_role, v.is_free,
    v.suggestion, v.checked_at, v.contributions, v.score_facts
FROM email_validation AS v
WHERE v.id > $1
ORDER BY v.id
LIMIT $2;

-- rescore_requests --
-- Give finished requests another score, unless something else happened to them since they were read.
WITH held AS MATERIALIZED (
    SELECT r.id
    FROM requests AS r
    INNER JOIN unnest($1::bigint[], $2::jsonb[]) AS u (id, known) ON r.id = u.id
    WHERE r.state = 'done' AND r.score_facts = u.known
    ORDER BY r.id
    FOR UPDATE OF r
)

UPDATE requests AS r
SET
    status = u.status, reason = u.reason, reasons = u.reasons, confidence = u.confidence,
    is_disposable = u.is_disposable, is_role = u.is_role, is_free = u.is_free, suggestion = u.suggestion,
    contributions = u.contributions, score_facts = u.score_facts
FROM held AS h
INNER JOIN unnest(
    $1::bigint[], $3::text[], $4::text[], $5::jsonb[], $6::smallint[], $7::boolean[], $8::boolean[], $9::boolean[],
    $10::text[], $11::jsonb[], $12::jsonb[]
) AS u (
    id, status, reason, reasons, confidence, is_disposable, is_role, is_free, suggestion, contributions, score_facts
) ON h.id = u.id
WHERE r.id = h.id
RETURNING r.id;

-- rescore_validations --
-- Give verdicts another score, unless something else happened to them since they were read.
WITH held AS MATERIALIZED (
    SELECT v.id
    FROM email_validation AS v
    INNER JOIN unnest($1::uuid[], $2::jsonb[]) AS u (id, known) ON v.id = u.id
    WHERE v.score_facts = u.known
    ORDER BY v.email, v.contact_id
    FOR UPDATE OF v
)

UPDATE email_validation AS v
SET
    status = u.status, reason = u.reason, reasons = u.reasons, confidence = u.confidence,
    is_disposable = u.is_disposable, is_role = u.is_role, is_free = u.is_free, suggestion = u.suggestion,
    contributions = u.contributions, score_facts = u.score_facts, updated_at = now(),
    -- What became less than sure is not used again for as long as what was sure.
    fresh_until = CASE WHEN v.status = u.status THEN v.fresh_until ELSE least(v.fresh_until, now()) END
FROM held AS h
INNER JOIN unnest(
    $1::uuid[], $3::text[], $4::text[], $5::jsonb[], $6::smallint[], $7::boolean[], $8::boolean[], $9::boolean[],
    $10::text[], $11::jsonb[], $12::jsonb[]
) AS u (
    id, status, reason, reasons, confidence, is_disposable, is_role, is_free, suggestion, contributions, score_facts
) ON h.id = u.id
WHERE v.id = h.id
RETURNING v.id;

-- estimate_rows --
-- About how many rows the two tables have.
SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint
FROM pg_class AS c
WHERE c.oid IN ('requests'::regclass, 'email_validation'::regclass);
