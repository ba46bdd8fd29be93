-- find_outdated_submission --
-- The longest finished submission that need not be kept.
SELECT s.id FROM submissions AS s
WHERE s.finished_at < now() - $1::interval
ORDER BY s.finished_at
LIMIT 1
FOR UPDATE SKIP LOCKED;

-- delete_requests --
-- Delete some requests of a submission.
DELETE FROM requests AS r
WHERE r.submission_id = $1 AND r.idx IN (
    SELECT q.idx FROM requests AS q WHERE q.submission_id = $1 ORDER BY q.idx LIMIT $2
)
RETURNING 1;

-- delete_submission --
-- Delete a submission that has no requests any more.
DELETE FROM submissions AS s WHERE s.id = $1;

-- delete_rejected --
-- Delete rejected jobs that need not be kept.
DELETE FROM rejected_jobs AS r WHERE r.rejected_at < now() - $1::interval
RETURNING 1;
