-- count_list_news --
-- Of each list (a submission's mailboxes of one status), in a range of requests: how many mailboxes, and how many
-- of them a campaign brought news of within the window.
SELECT
    r.submission_id,
    CASE WHEN r.reasons ? 'accept_all' THEN 'accept_all' ELSE 'unknown' END AS status,
    count(*) AS mailboxes,
    count(*) FILTER (
        WHERE EXISTS (
            SELECT FROM email_events AS e
            WHERE
                lower(e.email) = lower(r.email) AND e.event_at > r.checked_at
                AND e.event_at <= r.checked_at + $3::interval
        )
    ) AS with_news
FROM requests AS r
WHERE
    r.id > $1 AND r.id <= $2 AND r.state = 'done' AND r.email IS NOT NULL AND r.checked_at IS NOT NULL
    AND (r.status IN ('accept_all', 'unknown') OR r.reasons ? 'accept_all')
GROUP BY 1, 2;

-- last_request --
-- The highest number of a request.
SELECT coalesce(max(r.id), 0) FROM requests AS r;

-- end_of_page --
-- Where the next page of verdicts ends, by address; NULL at the end.
SELECT max(p.email) AS last_email, count(*) AS verdicts
FROM (SELECT v.email FROM email_validation AS v WHERE v.email > $1 ORDER BY v.email LIMIT $2) AS p;

-- load_page --
-- The newest verdict on each address of a page that the probe could not decide, made within a span of time.
SELECT DISTINCT ON (v.email) v.*, d.provider_key, d.spf, d.dmarc, d.is_redundant, d.health_checked_at
FROM email_validation AS v
LEFT JOIN domain_cache AS d ON v.domain = d.domain
WHERE
    v.email > $1 AND v.email <= $2 AND v.checked_at > $3 AND v.checked_at <= $4 AND v.source IN ('probe', 'domain', 'dns')
    AND (v.status IN ('accept_all', 'unknown') OR v.reasons ? 'accept_all')
ORDER BY v.email, v.checked_at DESC;

-- load_events --
-- What campaigns told of mailboxes until a moment, oldest first.
SELECT lower(e.email) AS email, e.event_type, e.event_at FROM email_events AS e
WHERE lower(e.email) = ANY ($1::text[]) AND e.event_at <= $2
ORDER BY e.event_at;

-- load_weeks --
-- What campaigns told of domains, by week.
SELECT d.domain, d.week, d.event_type, d.events FROM domain_events AS d
WHERE d.domain = ANY ($1::text[]);

-- load_lists --
-- On which lists mailboxes were when they were verified at these moments.
SELECT u.place, r.submission_id
FROM unnest($1::integer[], $2::text[], $3::timestamptz[]) AS u (place, email, checked_at)
INNER JOIN requests AS r
    ON
        u.email = r.email AND r.state = 'done'
        AND r.checked_at BETWEEN u.checked_at - interval '1 minute' AND u.checked_at + interval '1 minute';

-- load_domain_records --
-- How domains had fared before moments.
SELECT u.place, w.bounced, w.alive, w.verified
FROM unnest($1::integer[], $2::text[], $3::timestamptz[]) AS u (place, domain, moment)
CROSS JOIN LATERAL domain_track_record(u.domain, u.moment, $4::interval) AS w;
