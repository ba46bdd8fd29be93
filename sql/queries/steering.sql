-- set_state --
-- Change the state of a submission; its requests follow. Cancelled is for good.
UPDATE submissions AS s
SET
    state = $2,
    state_since = now(),
    moved_to = 0,
    expected = CASE WHEN $2 = 'cancelled' THEN NULL ELSE s.expected END
WHERE s.id = $1 AND s.state <> $2 AND s.state <> 'cancelled'
RETURNING s.id;

-- find_state --
-- The number and state of a client's submission.
SELECT s.id, s.state FROM submissions AS s WHERE s.client = $1 AND s.submission = $2;

-- find_other --
-- The first place where another address stands already: one range of the index, whatever the statistics say.
SELECT r.idx
FROM requests AS r
INNER JOIN unnest($3::text[]) WITH ORDINALITY AS u (address, place) ON r.idx = $2::integer + u.place - 1
WHERE
    r.submission_id = $1 AND r.idx >= $2 AND r.idx < $2::integer + cardinality($3::text[])
    AND r.address <> u.address
ORDER BY r.idx
LIMIT 1;

-- complete --
-- Nothing more will come: a submission whose requests are all finished is finished now.
UPDATE submissions AS s
SET
    expected = s.requests,
    finished_at = CASE WHEN s.finished = s.requests THEN coalesce(s.finished_at, now()) END
WHERE s.id = $1
RETURNING s.id, s.finished_at = now() AS is_new;

-- lock_mover --
-- One at a time moves requests; without a lock on submissions, which come last in the order of locks.
SELECT pg_try_advisory_xact_lock(hashtext('validatord.steering'));

-- find_moving --
-- A submission whose requests have not all followed it.
SELECT s.id, s.state, s.moved_to FROM submissions AS s WHERE s.moved_to IS NOT NULL ORDER BY s.id LIMIT 1;

-- find_domains --
-- The domains of paused requests in a range of places, with the most urgent of each.
SELECT r.domain, max(r.priority) AS priority
FROM requests AS r
WHERE r.submission_id = $1 AND r.idx >= $2 AND r.idx < $3 AND r.state = 'paused'
GROUP BY r.domain
ORDER BY r.domain;

-- pause_requests --
-- Let the queued requests in a range of places rest.
UPDATE requests AS r SET state = 'paused'
WHERE r.submission_id = $1 AND r.idx >= $2 AND r.idx < $3 AND r.state = 'queued';

-- resume_requests --
-- Queue the paused requests in a range of places again.
UPDATE requests AS r SET state = 'queued'
WHERE r.submission_id = $1 AND r.idx >= $2 AND r.idx < $3 AND r.state = 'paused';

-- hold_bouncer --
-- What waits to be bought waits until then.
UPDATE bouncer_queue AS q SET not_before = now() + $4::interval
FROM requests AS r
WHERE q.request_id = r.id AND r.submission_id = $1 AND r.idx >= $2 AND r.idx < $3 AND q.status = 'queued';

-- leave_bouncer --
-- What waits to be bought is not bought; what stands in a batch stays.
DELETE FROM bouncer_queue AS q USING requests AS r
WHERE q.request_id = r.id AND r.submission_id = $1 AND r.idx >= $2 AND r.idx < $3 AND q.status = 'queued'
RETURNING q.request_id;

-- cancel_requests --
-- End the requests in a range of places that nobody has paid for.
UPDATE requests AS r
SET
    state = 'done', due_at = NULL, deferral_reason = NULL, pin = NULL, finished_at = now(), checked_at = now(),
    status = 'unknown', reason = 'cancelled', reasons = '["cancelled"]'::jsonb, confidence = $5::smallint, source = 'client',
    contributions = jsonb_build_array(jsonb_build_array('cancelled', $5::smallint))
WHERE
    r.submission_id = $1 AND r.idx >= $2 AND r.idx < $3
    AND (r.state IN ('queued', 'paused') OR (r.state = 'handed_over' AND r.id = ANY ($4::bigint[])))
RETURNING r.submission_id, r.status, r.reason, r.confidence, r.is_disposable, r.is_role, r.is_free;

-- note_moved --
-- Note how far requests have followed, unless the state has changed meanwhile.
UPDATE submissions AS s
SET moved_to = CASE WHEN $4 <= (SELECT max(r.idx) FROM requests AS r WHERE r.submission_id = $1) THEN $4 END
WHERE s.id = $1 AND s.state = $2 AND s.moved_to = $3;
