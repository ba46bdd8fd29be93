-- lock_domain --
-- Lock the queue row of a domain, so that no visit begins, and tell whether one is under way.
SELECT q.leased_until IS NOT NULL AS is_visited FROM domain_queue AS q WHERE q.domain = $1
FOR UPDATE;

-- lock_unfinished --
-- The unfinished requests of a mailbox, locked; those that Bouncer is being asked about right now are not among them.
SELECT
    r.id, r.submission_id, s.client, r.address, r.email, r.domain, r.contact_id, r.priority, r.attempt,
    r.deferrals, r.pin, r.first_tried_at, r.created_at
FROM requests AS r
INNER JOIN submissions AS s ON r.submission_id = s.id
WHERE
    r.domain = $1 AND r.email = $2 AND r.state IN ('queued', 'handed_over')
    AND NOT EXISTS (SELECT FROM bouncer_queue AS q WHERE q.request_id = r.id AND q.status = 'assigned')
ORDER BY r.id
FOR UPDATE OF r;

-- count_at_bouncer --
-- How often a mailbox stands in a batch that is not over.
SELECT count(*)::bigint FROM bouncer_queue AS q WHERE q.email = $1 AND q.status = 'assigned';

-- delete_validations --
-- Delete the verdicts on a mailbox.
DELETE FROM email_validation AS v WHERE v.email = $1
RETURNING 1;

-- delete_suggestions --
-- Nobody else's verdict names the mailbox any more.
UPDATE email_validation AS v SET suggestion = NULL WHERE v.suggestion = $1
RETURNING 1;

-- delete_events --
-- Delete what campaigns told about a mailbox.
DELETE FROM email_events AS e WHERE lower(e.email) = $1
RETURNING 1;

-- delete_bouncer_results --
-- Delete what Bouncer said about a mailbox.
DELETE FROM bouncer_results AS r WHERE lower(r.email) = $1
RETURNING 1;

-- delete_bouncer_queue --
-- Delete a mailbox from the queue to Bouncer and from what is over there.
DELETE FROM bouncer_queue AS q WHERE lower(q.email) = $1 AND q.status <> 'assigned'
RETURNING 1;

-- delete_dead_letters --
-- Delete the dead letters about a mailbox.
DELETE FROM bouncer_dead_letter_queue AS d WHERE lower(d.email) = $1
RETURNING 1;

-- delete_rejected --
-- Delete the jobs nobody could read in which a mailbox stands.
DELETE FROM rejected_jobs AS j WHERE strpos(lower(j.payload), $1) > 0
RETURNING 1;

-- last_request --
-- The highest number of a request.
SELECT coalesce(max(r.id), 0)::bigint FROM requests AS r;

-- blank_requests --
-- Take everything that tells who was meant out of finished requests of a mailbox, in a range of numbers.
UPDATE requests AS r
SET
    address = CASE WHEN strpos(lower(r.address), $3) > 0 THEN '' ELSE r.address END,
    email = CASE WHEN lower(r.email) = $3 THEN NULL ELSE r.email END,
    domain = CASE WHEN lower(r.email) = $3 THEN '' ELSE r.domain END,
    contact_id = CASE WHEN lower(r.email) = $3 THEN NULL ELSE r.contact_id END,
    reply = CASE WHEN lower(r.email) = $3 THEN NULL ELSE r.reply END,
    pin = NULL,
    probe = NULL,
    suggestion = CASE WHEN lower(r.suggestion) = $3 THEN NULL ELSE r.suggestion END
WHERE
    r.id > $1 AND r.id <= $2 AND r.state = 'done'
    AND (lower(r.email) = $3 OR strpos(lower(r.address), $3) > 0 OR lower(r.suggestion) = $3)
RETURNING 1;
