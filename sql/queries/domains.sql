-- load_facts --
-- What is known of domains; an MX answer that ran out is not.
SELECT
    d.domain, d.provider_key, d.accept_all, d.accept_all_host_set, d.accept_all_until, d.accept_all_seen,
    d.accept_all_seen_at, d.spf, d.dmarc, d.is_redundant, d.health_checked_at, d.rcpt_day, d.rcpt_count,
    d.last_checked, d.mx_expires_at,
    CASE WHEN d.mx_expires_at > now() THEN d.mx_answer END AS mx_answer
FROM domain_cache AS d
WHERE d.domain = ANY ($1::text[]);

-- load_mails --
-- Whether domains have MX hosts, and which, by their last look-up.
SELECT d.domain, d.has_mx, d.mx_hosts FROM domain_cache AS d
WHERE d.domain = ANY ($1::text[]) AND d.mx_answer IS NOT NULL;

-- upsert_facts --
-- Keep what a visit learned of domains; what it did not ask for stays.
INSERT INTO domain_cache AS d (
    domain, has_mx, has_a, mx_hosts, mx_answer, mx_expires_at, last_checked, spf, dmarc, provider_key,
    accept_all, accept_all_prob, accept_all_host_set, accept_all_until, accept_all_seen, accept_all_seen_at,
    is_redundant, health_checked_at, rcpt_day, rcpt_count
)
SELECT
    u.domain, coalesce(u.has_mx, false), coalesce(u.has_a, false), coalesce(u.mx_hosts, '[]'::jsonb), u.mx_answer,
    u.mx_expires_at, coalesce(u.looked_up_at, now()), u.spf, u.dmarc, u.provider_key, u.accept_all,
    u.accept_all_prob, u.accept_all_host_set, u.accept_all_until, u.accept_all_seen, u.accept_all_seen_at,
    u.is_redundant, u.health_checked_at, u.rcpt_day, u.rcpt_count
FROM unnest(
    $1::text[], $2::boolean[], $3::boolean[], $4::jsonb[], $5::jsonb[], $6::timestamptz[], $7::timestamptz[],
    $8::text[], $9::text[], $10::text[], $11::text[], $12::integer[], $13::text[], $14::timestamptz[],
    $15::integer[], $16::timestamptz[], $17::boolean[], $18::timestamptz[], $19::date[], $20::integer[]
) AS u (
    domain, has_mx, has_a, mx_hosts, mx_answer, mx_expires_at, looked_up_at, spf, dmarc, provider_key,
    accept_all, accept_all_prob, accept_all_host_set, accept_all_until, accept_all_seen, accept_all_seen_at,
    is_redundant, health_checked_at, rcpt_day, rcpt_count
)
ORDER BY u.domain
ON CONFLICT (domain) DO UPDATE SET
    has_mx = CASE WHEN excluded.mx_answer IS NULL THEN d.has_mx ELSE excluded.has_mx END,
    has_a = CASE WHEN excluded.mx_answer IS NULL THEN d.has_a ELSE excluded.has_a END,
    mx_hosts = CASE WHEN excluded.mx_answer IS NULL THEN d.mx_hosts ELSE excluded.mx_hosts END,
    mx_answer = coalesce(excluded.mx_answer, d.mx_answer),
    mx_expires_at = CASE WHEN excluded.mx_answer IS NULL THEN d.mx_expires_at ELSE excluded.mx_expires_at END,
    last_checked = CASE WHEN excluded.mx_answer IS NULL THEN d.last_checked ELSE excluded.last_checked END,
    spf = CASE WHEN excluded.health_checked_at IS NULL THEN coalesce(excluded.spf, d.spf) ELSE excluded.spf END,
    dmarc = CASE WHEN excluded.health_checked_at IS NULL THEN coalesce(excluded.dmarc, d.dmarc) ELSE excluded.dmarc END,
    is_redundant = CASE WHEN excluded.health_checked_at IS NULL THEN d.is_redundant ELSE excluded.is_redundant END,
    health_checked_at = coalesce(excluded.health_checked_at, d.health_checked_at),
    rcpt_day = coalesce(excluded.rcpt_day, d.rcpt_day),
    rcpt_count = CASE WHEN excluded.rcpt_day IS NULL THEN d.rcpt_count ELSE excluded.rcpt_count END,
    provider_key = CASE WHEN excluded.provider_key = '' THEN d.provider_key ELSE excluded.provider_key END,
    accept_all = excluded.accept_all,
    accept_all_prob = excluded.accept_all_prob,
    accept_all_host_set = excluded.accept_all_host_set,
    accept_all_until = excluded.accept_all_until,
    accept_all_seen = excluded.accept_all_seen,
    accept_all_seen_at = excluded.accept_all_seen_at;

-- count_validations --
-- About how many verdicts there are, as PostgreSQL's statistics have it.
SELECT greatest(c.reltuples, 0)::double precision AS validations FROM pg_class AS c
WHERE c.oid = 'email_validation'::regclass;

-- find_frequent --
-- The domains most valid mailboxes are at, by a sample of the verdicts (percent).
SELECT v.domain FROM email_validation AS v TABLESAMPLE SYSTEM ($3)
WHERE v.status = 'valid'
GROUP BY v.domain
HAVING count(*) >= greatest(1, $1::integer * $3::double precision / 100)
ORDER BY count(*) DESC, v.domain
LIMIT $2;
