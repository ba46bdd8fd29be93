-- count_by_client --
-- Unfinished requests of each client by the priority of their submissions.
SELECT s.client, s.priority, sum(s.requests - s.finished)::bigint AS requests
FROM submissions AS s
WHERE s.finished_at IS NULL
GROUP BY s.client, s.priority
HAVING sum(s.requests - s.finished) > 0
ORDER BY s.priority DESC, requests DESC, s.client;

-- count_waiting --
-- What waits for a later time or for somebody else, by reason.
SELECT r.deferral_reason AS reason, count(*)::bigint AS requests, min(r.due_at) AS next_due
FROM requests AS r
WHERE r.state <> 'done' AND r.deferral_reason IS NOT NULL
GROUP BY r.deferral_reason
ORDER BY requests DESC, reason;

-- count_domains --
-- Domains with work: all, due now, being visited; and since when the longest waiting one is due.
SELECT
    count(*)::bigint AS waiting,
    count(*) FILTER (WHERE q.leased_until IS NULL AND q.next_due <= now())::bigint AS due,
    count(*) FILTER (WHERE q.leased_until IS NOT NULL)::bigint AS leased,
    min(q.next_due) FILTER (WHERE q.leased_until IS NULL AND q.next_due <= now()) AS oldest_due
FROM domain_queue AS q
WHERE q.next_due IS NOT NULL OR q.leased_until IS NOT NULL;

-- count_lanes --
-- The lanes with the most domains due now.
SELECT q.lane, count(*)::bigint AS domains
FROM domain_queue AS q
WHERE q.leased_until IS NULL AND q.next_due <= now()
GROUP BY q.lane
ORDER BY domains DESC, q.lane
LIMIT $1;

-- count_dead --
-- What waits for a person: jobs nobody could read, dead letters of Bouncer's nobody has seen.
SELECT
    (SELECT count(*) FROM rejected_jobs)::bigint AS rejected_jobs,
    (SELECT count(*) FROM bouncer_dead_letter_queue AS d WHERE NOT d.reviewed)::bigint AS bouncer_letters;

-- find_undecided --
-- Finished requests that ended as unknown, by number; what nobody may or can ask about is not among them.
SELECT r.id FROM requests AS r
INNER JOIN submissions AS s ON r.submission_id = s.id
WHERE
    r.id > $1 AND r.state = 'done' AND r.status = 'unknown' AND r.email IS NOT NULL AND r.domain <> ''
    AND r.reason <> ALL ($2::text[])
    AND ($3::text IS NULL OR s.client = $3) AND ($4::text IS NULL OR s.submission = $4)
    AND ($5::text IS NULL OR r.reason = $5)
ORDER BY r.id
LIMIT $6;
