-- get_campaign --
-- A submission with what the send gate needs of it.
SELECT s.id, s.requests, s.finished, s.expected, s.campaign_at FROM submissions AS s
WHERE s.client = $1 AND s.submission = $2;

-- count_for_gate --
-- Finished requests by all that a policy looks at: how many stand at small domains, how many are older than a time.
WITH small AS MATERIALIZED (
    SELECT r.domain FROM requests AS r
    WHERE r.submission_id = $1 AND r.domain <> ''
    GROUP BY r.domain
    HAVING count(*) <= $2
)

SELECT
    r.status, r.reason, r.confidence, r.is_disposable, r.is_role, r.is_free, count(*) AS requests,
    count(s.domain) AS at_small_domains,
    count(*) FILTER (WHERE r.checked_at < $3) AS outdated
FROM requests AS r
LEFT JOIN small AS s ON r.domain = s.domain
WHERE r.submission_id = $1 AND r.state = 'done'
GROUP BY r.status, r.reason, r.confidence, r.is_disposable, r.is_role, r.is_free;
