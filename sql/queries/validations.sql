-- find_validation --
-- The newest verdict on an address, whichever contact it was for.
SELECT v.* FROM email_validation AS v
WHERE v.email = $1
ORDER BY v.checked_at DESC, v.updated_at DESC
LIMIT 1;

-- latest_validations --
-- The verdicts written last.
SELECT v.* FROM email_validation AS v
ORDER BY v.updated_at DESC, v.id
LIMIT $1;

-- expire_validations --
-- Verdicts on these addresses are not used again: they are to be asked anew.
UPDATE email_validation AS v
SET fresh_until = NULL, updated_at = now()
WHERE v.email = ANY ($1::text[]) AND v.fresh_until > now();
