-- begin --
-- Take an Idempotency-Key, or one that is out of date over; nothing is returned where it is taken.
INSERT INTO idempotency_keys AS i (client, key, fingerprint, submission) VALUES ($1, $2, $3, $4)
ON CONFLICT (client, key) DO UPDATE SET
    fingerprint = excluded.fingerprint, submission = excluded.submission, http_status = NULL, body = NULL,
    created_at = now()
WHERE i.created_at < now() - $5::interval
RETURNING i.submission;

-- find --
-- What is known under an Idempotency-Key.
SELECT i.fingerprint, i.submission, i.http_status, i.body
FROM idempotency_keys AS i
WHERE i.client = $1 AND i.key = $2;

-- settle --
-- Keep the answer, once.
UPDATE idempotency_keys AS i SET http_status = $3, body = $4
WHERE i.client = $1 AND i.key = $2 AND i.http_status IS NULL;

-- delete_outdated --
-- Forget keys that nobody can repeat any more.
DELETE FROM idempotency_keys AS i WHERE i.created_at < now() - $1::interval;
