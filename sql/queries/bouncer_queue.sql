-- plan_anew --
-- Plan the statements of this transaction by today's sizes: the queue grows from nothing to a million rows.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true);

-- count_waiting --
-- Up to so many that may be asked about now: how many, since when the oldest waits, how urgent the most urgent is.
SELECT count(*)::integer AS waiting, min(w.created_ts) AS oldest_ts, max(w.priority) AS priority,
    coalesce(min(w.created_ts) <= now() - $4::interval, false) AS is_long_enough
FROM (
    SELECT q.created_ts, q.priority FROM bouncer_queue AS q
    WHERE
        q.status = 'queued' AND q.pass = $1 AND q.not_before <= now() AND q.user_id <> ALL ($3::text[])
        AND NOT q.is_known
    LIMIT $2
) AS w;

-- list_payers --
-- The clients that have something queued: one index look-up each, however much it is.
WITH RECURSIVE payer (client) AS (
    (
        SELECT q.user_id FROM bouncer_queue AS q
        WHERE q.status = 'queued' AND q.pass = $1
        ORDER BY q.user_id LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT q.user_id FROM bouncer_queue AS q
        WHERE q.status = 'queued' AND q.pass = $1 AND q.user_id > payer.client
        ORDER BY q.user_id LIMIT 1
    )
    FROM payer WHERE payer.client IS NOT NULL
)

SELECT p.client FROM payer AS p WHERE p.client IS NOT NULL;

-- plan_batch --
-- Choose members, urgent ones first and clients in turn, and write them down as a batch, its domains mixed.
WITH allowed AS (
    SELECT p.client, least(p.most, $2) AS most FROM unnest($3::text[], $4::integer[]) AS p (client, most)
),

candidate AS MATERIALIZED (
    SELECT
        due.queue_id, due.user_id, due.request_id, due.email, due.priority, due.domain_hash,
        lower(due.email COLLATE "C") AS key,
        row_number() OVER (PARTITION BY due.user_id ORDER BY due.priority DESC, due.queue_id) AS place
    FROM allowed AS a
    CROSS JOIN LATERAL (
        SELECT q.* FROM bouncer_queue AS q
        WHERE
            q.status = 'queued' AND q.pass = $1 AND q.user_id = a.client AND q.not_before <= now() AND NOT q.is_known
        ORDER BY q.priority DESC, q.queue_id
        LIMIT a.most
    ) AS due
),

-- What was bought already and is still good is not bought again.
known AS MATERIALIZED (
    SELECT c.queue_id FROM candidate AS c
    WHERE
        $1 = 'main'
        AND EXISTS (
            SELECT FROM bouncer_results AS s WHERE s.email = c.email AND s.pass = 'main' AND s.reuse_until > now()
            OFFSET 0
        )
),

marked AS (
    UPDATE bouncer_queue AS q SET is_known = true FROM known AS k WHERE q.queue_id = k.queue_id
),

-- Who asks about an address that is under way waits for that answer. A batch that is being ingested attaches
-- by itself and is locked: it must not get a request after it has looked for them.
open AS MATERIALIZED (
    SELECT b.id FROM bouncer_batches AS b
    WHERE
        $1 = 'main' AND b.pass = 'main'
        AND b.state IN ('planned', 'submitting', 'submit_unknown', 'submitted', 'ready', 'cancelling', 'lost')
    ORDER BY b.id
    FOR SHARE SKIP LOCKED
),

attached AS (
    UPDATE bouncer_queue AS q
    SET status = 'assigned', batch_id = m.batch_id, assigned_ts = now()
    FROM candidate AS c
    CROSS JOIN LATERAL (
        SELECT l.batch_id FROM bouncer_members AS l WHERE l.is_live AND l.key = c.key AND l.email = c.email OFFSET 0
    ) AS m
    INNER JOIN open AS o ON m.batch_id = o.id
    WHERE q.queue_id = c.queue_id AND c.queue_id NOT IN (SELECT k.queue_id FROM known AS k)
),

-- An address once, for the most urgent that asks; not while another spelling of it is under way.
single AS MATERIALIZED (
    SELECT DISTINCT ON (c.key) c.*
    FROM candidate AS c
    WHERE
        NOT EXISTS (SELECT FROM bouncer_members AS m WHERE m.is_live AND m.key = c.key OFFSET 0)
        AND c.queue_id NOT IN (SELECT k.queue_id FROM known AS k)
    ORDER BY c.key, c.priority DESC, c.queue_id
),

chosen AS MATERIALIZED (
    SELECT s.*, row_number() OVER (PARTITION BY s.domain_hash ORDER BY s.priority DESC, s.queue_id) AS turn
    FROM (SELECT t.* FROM single AS t ORDER BY t.priority DESC, t.place, t.queue_id LIMIT $2) AS s
),

-- Round robin over the domains, by a hash: the same members always stand in the same order.
ordered AS MATERIALIZED (
    SELECT c.*, (row_number() OVER (ORDER BY c.turn, c.domain_hash, c.queue_id) - 1)::integer AS idx FROM chosen AS c
),

batch AS (
    INSERT INTO bouncer_batches (pass, user_id, request_id, quantity, payload_hash)
    SELECT
        $1, (array_agg(o.user_id ORDER BY o.idx))[1], (array_agg(o.request_id ORDER BY o.idx))[1], count(*),
        encode(sha256(convert_to(string_agg(o.email, E'\n' ORDER BY o.idx), 'UTF8')), 'hex')
    FROM ordered AS o
    HAVING count(*) > 0
    RETURNING id, quantity
),

members AS (
    INSERT INTO bouncer_members (batch_id, idx, email, key, client)
    SELECT b.id, o.idx, o.email, o.key, o.user_id FROM ordered AS o CROSS JOIN batch AS b
)

SELECT b.id, b.quantity FROM batch AS b;

-- lock_known --
-- Requests about addresses that were bought before, with that answer, and what our own probe said.
SELECT
    r.id, r.submission_id, q.user_id AS client, r.address, r.email, r.domain, r.contact_id, r.priority, r.attempt,
    r.deferrals, r.pin, r.first_tried_at, r.created_at, r.probe, q.queue_id,
    s.bouncer_status, s.bouncer_reason, s.domain_info, s.account_info, s.provider, s.score, s.toxic, s.toxicity, s.extra,
    s.notes, s.processed_ts
FROM bouncer_queue AS q
INNER JOIN requests AS r ON q.request_id = r.id
CROSS JOIN LATERAL (
    SELECT t.* FROM bouncer_results AS t
    WHERE t.email = q.email AND t.pass = 'main' AND t.reuse_until > now()
    ORDER BY t.reuse_until DESC LIMIT 1
) AS s
WHERE q.status = 'queued' AND q.is_known
ORDER BY q.email, q.queue_id
LIMIT $1
FOR UPDATE OF q SKIP LOCKED;

-- forget_known --
-- What was known is not good any more: these requests are to be bought after all.
UPDATE bouncer_queue AS q SET is_known = false
WHERE
    q.status = 'queued' AND q.is_known
    AND NOT EXISTS (
        SELECT FROM bouncer_results AS s WHERE s.email = q.email AND s.pass = 'main' AND s.reuse_until > now()
    );

-- assign_members --
-- Take a batch's requests out of the queue, all that ask about its addresses.
WITH found AS MATERIALIZED (
    SELECT f.queue_id, f.pass
    FROM bouncer_members AS m
    -- OFFSET 0 keeps the direction: members find requests by the index, whatever the statistics say.
    CROSS JOIN LATERAL (
        SELECT w.queue_id, w.pass FROM bouncer_queue AS w WHERE w.status = 'queued' AND w.email = m.email OFFSET 0
    ) AS f
    WHERE m.batch_id = $1
)

UPDATE bouncer_queue AS q
SET status = 'assigned', batch_id = $1, assigned_ts = now()
FROM found AS f
WHERE q.queue_id = f.queue_id AND f.pass = (SELECT b.pass FROM bouncer_batches AS b WHERE b.id = $1);

-- lock_outdated --
-- Requests of a client that waited too long, or below a priority: they end without being bought.
SELECT q.queue_id, q.request_id, q.email
FROM bouncer_queue AS q
WHERE
    q.status = 'queued' AND q.pass = 'main' AND q.user_id = $1
    AND (q.created_ts <= now() - $2::interval OR q.priority <= $3)
ORDER BY q.created_ts
LIMIT $4
FOR UPDATE SKIP LOCKED;

-- lock_of_batch --
-- The requests that wait for a batch's answer.
SELECT q.queue_id, q.request_id, q.email
FROM bouncer_queue AS q
WHERE q.batch_id = $1 AND q.status = 'assigned'
ORDER BY q.email, q.queue_id
LIMIT $2
FOR UPDATE;

-- lock_failed --
-- One parked request.
SELECT q.queue_id, q.request_id, q.email FROM bouncer_queue AS q
WHERE q.request_id = $1 AND q.status = 'failed'
FOR UPDATE;

-- load_requests --
-- Requests that end now, with what our own probe said of them.
SELECT
    r.id, r.submission_id, s.client, r.address, r.email, r.domain, r.contact_id, r.priority, r.attempt,
    r.deferrals, r.pin, r.first_tried_at, r.created_at, r.probe
FROM requests AS r
INNER JOIN submissions AS s ON r.submission_id = s.id
WHERE r.id = ANY ($1::bigint[])
ORDER BY r.email, r.id;

-- complete_queue --
-- Take requests out of the queue for good.
UPDATE bouncer_queue AS q
SET status = 'completed', completed_ts = now(), park_reason = NULL
WHERE q.queue_id = ANY ($1::bigint[]);

-- requeue_failed --
-- Put a parked request back into the queue.
UPDATE bouncer_queue AS q
SET
    status = 'queued', batch_id = NULL, assigned_ts = NULL, park_reason = NULL, missing_count = 0, created_ts = now(),
    is_known = false
WHERE q.request_id = $1 AND q.status = 'failed'
RETURNING q.queue_id;

-- requeue_batch --
-- Put all requests of a batch back into the queue.
UPDATE bouncer_queue AS q
SET status = 'queued', batch_id = NULL, assigned_ts = NULL
WHERE q.batch_id = $1 AND q.status = 'assigned'
RETURNING q.queue_id;
