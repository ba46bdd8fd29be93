-- find_outdated_submission --
-- The longest finished submission that need not be kept.
SELECT s.id FROM submissions AS s
WHERE s.finished_at < now() - $1::interval
ORDER BY s.finished_at
LIMIT 1
FOR UPDATE SKIP LOCKED;

-- delete_requests --
-- Delete some requests of a submission.
DELETE FROM requests AS r
WHERE r.submission_id = $1 AND r.idx IN (
    SELECT q.idx FROM requests AS q WHERE q.submission_id = $1 ORDER BY q.idx LIMIT $2
)
RETURNING 1;

-- delete_submission --
-- Delete a submission that has no requests any more.
DELETE FROM submissions AS s WHERE s.id = $1;

-- delete_rejected --
-- Delete rejected jobs that need not be kept.
DELETE FROM rejected_jobs AS r WHERE r.rejected_at < now() - $1::interval
RETURNING 1;

-- delete_idle_domains --
-- Delete queue rows of domains nothing waits for; who asks about one puts it back.
DELETE FROM domain_queue AS q
WHERE q.domain IN (
    SELECT i.domain FROM domain_queue AS i
    WHERE
        i.next_due IS NULL AND i.leased_until IS NULL AND (i.not_before IS NULL OR i.not_before < now())
        AND NOT EXISTS (SELECT FROM requests AS r WHERE r.domain = i.domain AND r.state = 'queued')
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)
RETURNING 1;

-- delete_old_domains --
-- Delete the facts of domains nobody asked about for long and that say nothing about today.
DELETE FROM domain_cache AS d
WHERE d.domain IN (
    SELECT o.domain FROM domain_cache AS o
    WHERE
        o.last_checked < now() - $1::interval
        AND coalesce(o.accept_all_until, '-infinity') < now() AND coalesce(o.mx_expires_at, '-infinity') < now()
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
RETURNING 1;

-- delete_old_events --
-- Delete what campaigns told long ago.
DELETE FROM email_events AS e
WHERE e.id IN (SELECT o.id FROM email_events AS o WHERE o.event_at < now() - $1::interval LIMIT $2)
RETURNING 1;

-- delete_old_weeks --
-- Delete the sums of weeks that ended long ago.
DELETE FROM domain_events AS d
WHERE (d.domain, d.week, d.event_type) IN (
    SELECT o.domain, o.week, o.event_type FROM domain_events AS o
    WHERE o.week < (now() - $1::interval)::date - 7
    LIMIT $2
)
RETURNING 1;

-- find_old_batch --
-- A batch of Bouncer's whose rows were kept long enough and answer nobody any more.
SELECT b.id FROM bouncer_batches AS b
WHERE
    b.state = 'cleaned' AND b.results_deleted_ts IS NULL AND b.ingested_ts < now() - $1::interval
    AND NOT EXISTS (SELECT FROM bouncer_results AS r WHERE r.batch_id = b.id AND r.reuse_until > now())
ORDER BY b.ingested_ts
LIMIT 1
FOR UPDATE SKIP LOCKED;

-- delete_results --
-- Delete the rows of a batch; what the deep pass found stays, since it asks once for good.
DELETE FROM bouncer_results AS r WHERE r.batch_id = $1 AND r.pass = 'main'
RETURNING 1;

-- note_results_deleted --
-- The batch itself stays: it says what was paid.
UPDATE bouncer_batches AS b SET results_deleted_ts = now() WHERE b.id = $1;

-- count_upkeep --
-- How many verdicts upkeep asked again today (UTC), on all nodes.
SELECT coalesce(sum(s.requests), 0)::bigint FROM submissions AS s
WHERE s.client = $1 AND s.submission LIKE $2 || '%';

-- take_outdated --
-- The contacts' verdicts that are out of date, oldest first, marked so that nobody takes them a second time.
UPDATE email_validation AS v
SET asked_again_at = now()
WHERE v.id IN (
    SELECT o.id FROM email_validation AS o
    WHERE
        o.contact_id IS NOT NULL AND o.ttl_expires_at < now()
        AND (o.asked_again_at IS NULL OR o.asked_again_at < now() - interval '3 days')
    ORDER BY o.ttl_expires_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)
RETURNING v.email, v.contact_id;
