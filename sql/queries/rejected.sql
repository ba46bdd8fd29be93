-- add_rejected --
-- Keep a job that could not be read; one that is known already keeps its first reason.
INSERT INTO rejected_jobs (job_id, function, reason, payload) VALUES ($1, $2, $3, $4)
ON CONFLICT (job_id) DO NOTHING
RETURNING job_id;

-- list_rejected --
-- The newest jobs that could not be read.
SELECT r.job_id, r.function, r.reason, r.payload, r.rejected_at
FROM rejected_jobs AS r
ORDER BY r.rejected_at DESC, r.job_id
LIMIT $1;
