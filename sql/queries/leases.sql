-- has_due --
-- Whether any domain is due that does not rest and whose lane is not busy: one cheap statement while there is nothing to do.
WITH RECURSIVE level (priority) AS (
    (
        SELECT q.priority FROM domain_queue AS q
        WHERE q.next_due IS NOT NULL AND q.leased_until IS NULL
        ORDER BY q.priority DESC LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT q.priority FROM domain_queue AS q
        WHERE q.next_due IS NOT NULL AND q.leased_until IS NULL AND q.priority < level.priority
        ORDER BY q.priority DESC LIMIT 1
    )
    FROM level WHERE level.priority IS NOT NULL
)

SELECT EXISTS (
    SELECT
    FROM level
    INNER JOIN domain_queue AS q ON level.priority = q.priority
    WHERE
        q.next_due <= now() AND q.leased_until IS NULL AND q.lane <> ALL ($1::text[])
        AND q.domain <> ALL ($2::text[])
);

-- lease_domains --
-- Lease due domains, urgent ones first, at most some of one known lane, none of a busy lane, none that rests.
WITH RECURSIVE level (priority) AS (
    (
        SELECT q.priority FROM domain_queue AS q
        WHERE q.next_due IS NOT NULL AND q.leased_until IS NULL
        ORDER BY q.priority DESC LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT q.priority FROM domain_queue AS q
        WHERE q.next_due IS NOT NULL AND q.leased_until IS NULL AND q.priority < level.priority
        ORDER BY q.priority DESC LIMIT 1
    )
    FROM level WHERE level.priority IS NOT NULL
),

-- One index range per priority: domains that are due later are never read.
candidate AS MATERIALIZED (
    SELECT due.domain, due.lane, due.priority, due.next_due
    FROM level
    CROSS JOIN LATERAL (
        SELECT q.domain, q.lane, q.priority, q.next_due
        FROM domain_queue AS q
        WHERE
            q.priority = level.priority AND q.next_due <= now() AND q.leased_until IS NULL
            AND q.lane <> ALL ($6::text[]) AND q.domain <> ALL ($8::text[])
        ORDER BY q.next_due
        LIMIT $7
    ) AS due
    ORDER BY due.priority DESC, due.next_due
    LIMIT $7
),

ranked AS (
    SELECT
        c.domain, c.lane, c.priority, c.next_due,
        row_number() OVER (PARTITION BY c.lane ORDER BY c.priority DESC, c.next_due) AS place
    FROM candidate AS c
),

chosen AS MATERIALIZED (
    SELECT q.domain
    FROM ranked AS r
    INNER JOIN domain_queue AS q ON r.domain = q.domain
    WHERE
        (r.lane = '' OR r.place <= $4)
        -- Asked again on the locked row: another leaser may have been here since.
        AND q.leased_until IS NULL AND q.next_due <= now()
        AND EXISTS (SELECT FROM nodes AS n WHERE n.name = $1 AND n.epoch = $2)
    ORDER BY r.priority DESC, r.next_due
    LIMIT $3
    FOR UPDATE OF q SKIP LOCKED
)

UPDATE domain_queue AS q
SET leased_until = now() + $5::interval, leased_by = $1, lease_epoch = $2
FROM chosen AS c
WHERE q.domain = c.domain
RETURNING q.domain, q.lane;

-- take_due --
-- The due requests of leased domains, urgent ones first, at most some of each domain.
SELECT
    r.id, r.submission_id, s.client, r.address, r.email, r.domain, r.contact_id, r.priority, r.attempt,
    r.deferrals, r.pin, r.first_tried_at, r.created_at, r.reuse_from
FROM unnest($1::text[]) AS leased (domain)
CROSS JOIN LATERAL (
    WITH RECURSIVE level (priority) AS (
        (
            SELECT q.priority FROM requests AS q
            WHERE q.domain = leased.domain AND q.state = 'queued'
            ORDER BY q.priority DESC LIMIT 1
        )
        UNION ALL
        SELECT (
            SELECT q.priority FROM requests AS q
            WHERE q.domain = leased.domain AND q.state = 'queued' AND q.priority < level.priority
            ORDER BY q.priority DESC LIMIT 1
        )
        FROM level WHERE level.priority IS NOT NULL
    )

    SELECT due.*
    FROM level
    CROSS JOIN LATERAL (
        SELECT q.*
        FROM requests AS q
        WHERE
            q.domain = leased.domain AND q.state = 'queued' AND q.priority = level.priority
            AND q.due_at <= now()
            -- A greylist knows the node it met: another node leaves such a request alone for a while.
            AND (
                q.pin IS NULL OR coalesce(q.pin ->> 'node', '') IN ('', $3)
                OR q.due_at <= now() - $4::interval
                OR NOT EXISTS (
                    SELECT FROM nodes AS n
                    WHERE n.name = q.pin ->> 'node' AND n.seen_at > now() - interval '1 minute'
                )
            )
        ORDER BY q.due_at
        LIMIT $2
    ) AS due
    ORDER BY due.priority DESC, due.due_at
    LIMIT $2
) AS r
INNER JOIN submissions AS s ON r.submission_id = s.id
WHERE s.state = 'active'
ORDER BY r.domain, r.priority DESC, r.due_at, r.id;

-- time_from_now --
-- A time of the server's clock.
SELECT now() + $1::interval;

-- renew_leases --
-- Move the end of leases that are still ours, and return them.
WITH held AS MATERIALIZED (
    SELECT q.domain FROM domain_queue AS q
    WHERE q.domain = ANY ($1::text[]) AND q.leased_by = $2 AND q.lease_epoch = $3
    ORDER BY q.domain
    FOR UPDATE
)

UPDATE domain_queue AS q
SET leased_until = now() + $4::interval
FROM held AS h
WHERE q.domain = h.domain
RETURNING q.domain;

-- lock_leases --
-- Lock the rows of leases that are still ours, in order, and return them.
SELECT q.domain FROM domain_queue AS q
WHERE q.domain = ANY ($1::text[]) AND q.leased_by = $2 AND q.lease_epoch = $3
ORDER BY q.domain
FOR UPDATE;

-- lock_all_leases --
-- Lock the rows of every lease of one epoch of a node, in order.
SELECT q.domain FROM domain_queue AS q
WHERE q.leased_until IS NOT NULL AND q.leased_by = $1 AND q.lease_epoch = $2
ORDER BY q.domain
FOR UPDATE;

-- lock_other_leases --
-- Lock the rows of the leases of one epoch of a node but those of some domains, in order.
SELECT q.domain FROM domain_queue AS q
WHERE
    q.leased_until IS NOT NULL AND q.leased_by = $1 AND q.lease_epoch = $2
    AND q.domain <> ALL ($3::text[])
ORDER BY q.domain
FOR UPDATE;

-- lock_older_leases --
-- Lock the rows of every lease a node held under an older epoch, in order.
SELECT q.domain FROM domain_queue AS q
WHERE q.leased_until IS NOT NULL AND q.leased_by = $1 AND q.lease_epoch < $2
ORDER BY q.domain
FOR UPDATE;

-- lock_expired_leases --
-- Lock the rows of leases that ran out, or whose node has started anew since.
SELECT q.domain FROM domain_queue AS q
WHERE
    q.leased_until IS NOT NULL
    AND (
        q.leased_until < now()
        OR EXISTS (SELECT FROM nodes AS n WHERE n.name = q.leased_by AND n.epoch > q.lease_epoch)
    )
ORDER BY q.domain
LIMIT $1
FOR UPDATE SKIP LOCKED;

-- share_of_domains --
-- The percentage of the domains that holds about so many of them.
SELECT least(100, 100.0 * $1::bigint / greatest(c.reltuples, 1))::real
FROM pg_class AS c WHERE c.oid = 'domain_queue'::regclass;

-- lock_forgotten_domains --
-- Lock, in a sample of the domains, those that have queued requests but no due time.
SELECT q.domain FROM domain_queue AS q TABLESAMPLE system ($1::real)
WHERE
    q.next_due IS NULL AND q.leased_until IS NULL
    AND EXISTS (SELECT FROM requests AS r WHERE r.domain = q.domain AND r.state = 'queued')
ORDER BY q.domain
FOR UPDATE OF q SKIP LOCKED;

-- release_domains --
-- End leases, with the due time and priority of what is queued now; the rows must be locked before.
UPDATE domain_queue AS q
SET
    leased_until = NULL,
    leased_by = NULL,
    lease_epoch = NULL,
    lane = CASE WHEN given.lane <> '' THEN given.lane ELSE q.lane END,
    not_before = given.not_before,
    next_due = CASE WHEN waiting.next_due IS NOT NULL THEN greatest(waiting.next_due, given.not_before) END,
    priority = coalesce(waiting.priority, q.priority)
FROM
    unnest($1::text[], $2::timestamptz[], $3::text[]) AS given (domain, not_before, lane)
CROSS JOIN LATERAL (
    WITH RECURSIVE level (priority) AS (
        (
            SELECT r.priority FROM requests AS r
            WHERE r.domain = given.domain AND r.state = 'queued'
            ORDER BY r.priority DESC LIMIT 1
        )
        UNION ALL
        SELECT (
            SELECT r.priority FROM requests AS r
            WHERE r.domain = given.domain AND r.state = 'queued' AND r.priority < level.priority
            ORDER BY r.priority DESC LIMIT 1
        )
        FROM level WHERE level.priority IS NOT NULL
    ),

    earliest AS (
        SELECT
            level.priority,
            (
                SELECT r.due_at FROM requests AS r
                WHERE r.domain = given.domain AND r.state = 'queued' AND r.priority = level.priority
                ORDER BY r.due_at LIMIT 1
            ) AS due_at
        FROM level WHERE level.priority IS NOT NULL
    )

    -- The priority is that of the requests which make it due, not of urgent ones that wait for later.
    SELECT
        min(e.due_at) AS next_due,
        max(e.priority) FILTER (WHERE e.due_at <= greatest(now(), given.not_before, (SELECT min(f.due_at) FROM earliest AS f)))
            AS priority
    FROM earliest AS e
) AS waiting
WHERE q.domain = given.domain;
