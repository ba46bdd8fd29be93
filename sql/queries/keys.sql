-- find_key --
-- The key of a digest, as long as it may be used.
SELECT k.id, k.client, k.digest, k.scopes, k.expires_at
FROM api_keys AS k
WHERE k.digest = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now());

-- add_key --
-- Add a key and return its number.
INSERT INTO api_keys (client, label, prefix, digest, scopes, expires_at)
VALUES ($1, $2, $3, $4, $5::text[], now() + $6::interval)
RETURNING id;

-- list_keys --
-- All keys, of one client or of all, the newest first.
SELECT k.id, k.client, k.label, k.prefix, k.scopes, k.created_at, k.expires_at, k.revoked_at, k.replaced_by, k.last_used_at
FROM api_keys AS k
WHERE $1::text IS NULL OR k.client = $1
ORDER BY k.id DESC;

-- lock_key --
-- One key, locked, whatever became of it.
SELECT
    k.id, k.client, k.label, k.prefix, k.scopes, k.created_at, k.expires_at, k.revoked_at, k.replaced_by, k.last_used_at
FROM api_keys AS k
WHERE k.id = $1
FOR UPDATE;

-- revoke_key --
-- End a key for good and return whether it was alive.
UPDATE api_keys AS k SET revoked_at = now() WHERE k.id = $1 AND k.revoked_at IS NULL RETURNING k.id;

-- replace_key --
-- Let a key end after a while, since it has a successor.
UPDATE api_keys AS k
SET replaced_by = $2, expires_at = least(k.expires_at, now() + $3::interval)
WHERE k.id = $1;

-- note_use --
-- Note that keys were used.
UPDATE api_keys AS k SET last_used_at = now()
WHERE k.id = ANY ($1::bigint[]) AND (k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute');
