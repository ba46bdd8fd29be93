-- find_bouncing_domains --
-- Domains of whose mailboxes a share hard-bounced and showed no life since; only those told to bounce are looked at.
WITH suspects AS (
    SELECT d.domain FROM domain_events AS d
    WHERE d.event_type = 'hard_bounce' AND d.week >= (now() - $3::interval)::date - 7
    GROUP BY d.domain
    HAVING sum(d.events) >= greatest(1, $1::integer * $2::double precision)
),

mailboxes AS (
    SELECT
        e.domain, lower(e.email) AS email,
        max(e.event_at) FILTER (WHERE e.event_type = 'hard_bounce') AS bounced_at,
        max(e.event_at) FILTER (WHERE e.event_type IN ('open', 'click', 'reply')) AS alive_at
    FROM email_events AS e
    WHERE e.domain IN (SELECT s.domain FROM suspects AS s) AND e.event_at >= now() - $3::interval
    GROUP BY e.domain, lower(e.email)
),

domains AS (
    SELECT
        m.domain,
        count(*) AS mailboxes,
        count(*) FILTER (WHERE m.bounced_at > coalesce(m.alive_at, '-infinity')) AS bounced,
        count(*) FILTER (WHERE m.alive_at >= coalesce(m.bounced_at, '-infinity')) AS alive,
        max(m.bounced_at) AS last_at
    FROM mailboxes AS m
    GROUP BY m.domain
)

SELECT d.domain, d.mailboxes, d.bounced, d.alive, d.last_at, c.mx_hosts
FROM domains AS d LEFT JOIN domain_cache AS c ON d.domain = c.domain
WHERE d.mailboxes >= $1 AND d.bounced >= d.mailboxes * $2::double precision AND d.bounced > 0
ORDER BY d.bounced::double precision / d.mailboxes DESC, d.bounced DESC, d.domain
LIMIT $4;
