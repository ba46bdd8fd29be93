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
