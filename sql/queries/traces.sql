-- load_traces --
-- The hosts and the conversation behind the newest verdict on each address.
SELECT DISTINCT ON (v.email) v.email, v.mx_hosts, v.smtp_trace
FROM email_validation AS v
WHERE v.email = ANY ($1::text[])
ORDER BY v.email, v.checked_at DESC;
