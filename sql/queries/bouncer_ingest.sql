-- lock_downloaded --
-- The batch whose results are here and not ingested, for us alone.
SELECT b.* FROM bouncer_batches AS b WHERE b.id = $1 AND b.state = 'downloaded' FOR UPDATE;

-- merge_results --
-- One result per member: of several rows the most decisive, and then the same one every time.
INSERT INTO bouncer_results (
    batch_id, global_id, bouncer_status, bouncer_reason, domain_info, account_info, dns_info, provider, score, toxic,
    toxicity, email, pass, extra, notes, processed_ts, reuse_until
)
SELECT
    t.batch_id,
    (
        SELECT q.global_id FROM bouncer_queue AS q
        WHERE q.batch_id = t.batch_id AND q.email = t.member AND q.status = 'assigned'
        ORDER BY q.queue_id LIMIT 1
    ),
    t.bouncer_status, t.bouncer_reason, t.domain_info, t.account_info, t.dns_info, t.provider, t.score, t.toxic,
    t.toxicity, t.member, t.pass, t.extra,
    CASE WHEN t.lightest < t.weight THEN coalesce(t.notes, '[]'::jsonb) || '["contradictory"]'::jsonb ELSE t.notes END,
    t.downloaded_ts,
    t.downloaded_ts + CASE
        WHEN t.bouncer_status = 'deliverable' THEN $2::interval
        WHEN t.bouncer_status = 'undeliverable' THEN $3::interval
        WHEN t.bouncer_status = 'risky' AND t.domain_info ->> 'acceptAll' = 'yes' THEN $5::interval
        WHEN t.bouncer_status = 'risky' THEN $4::interval
    END
FROM (
    SELECT DISTINCT ON (m.email)
        i.*, m.email AS member, b.pass, b.downloaded_ts, min(i.weight) OVER (PARTITION BY m.email) AS lightest
    FROM bouncer_incoming AS i
    -- OFFSET 0 keeps the direction here and below: the tables were empty a moment ago, and statistics still say so.
    CROSS JOIN LATERAL (
        SELECT l.email FROM bouncer_members AS l WHERE l.batch_id = i.batch_id AND l.key = i.key OFFSET 0
    ) AS m
    INNER JOIN bouncer_batches AS b ON i.batch_id = b.id
    WHERE i.batch_id = $1 AND NOT i.is_quarantined
    ORDER BY m.email, i.weight DESC, i.digest, i.seq
) AS t
ON CONFLICT DO NOTHING;

-- count_rows --
-- What came, against what was sent.
SELECT
    (SELECT count(*) FROM bouncer_results AS r WHERE r.batch_id = b.id)::integer AS answered,
    (SELECT count(*) FROM bouncer_results AS r WHERE r.batch_id = b.id AND r.bouncer_status <> 'unknown')::integer AS charged,
    b.quantity - (SELECT count(*) FROM bouncer_results AS r WHERE r.batch_id = b.id)::integer AS missing,
    (
        SELECT count(*) FROM bouncer_incoming AS i
        WHERE
            i.batch_id = b.id AND NOT i.is_quarantined
            AND NOT EXISTS (SELECT FROM bouncer_members AS m WHERE m.batch_id = i.batch_id AND m.key = i.key OFFSET 0)
    )::integer AS foreign_rows,
    (
        SELECT coalesce(sum(d.rows - 1), 0) FROM (
            SELECT count(*) AS rows FROM bouncer_incoming AS i
            WHERE
                i.batch_id = b.id AND NOT i.is_quarantined
                AND EXISTS (SELECT FROM bouncer_members AS m WHERE m.batch_id = i.batch_id AND m.key = i.key OFFSET 0)
            GROUP BY i.key
        ) AS d
    )::integer AS doubled,
    (SELECT count(*) FROM bouncer_incoming AS i WHERE i.batch_id = b.id AND i.is_quarantined)::integer AS quarantined
FROM bouncer_batches AS b
WHERE b.id = $1;

-- fetch_answered --
-- Requests that have their answer now, by address, with what our own probe said.
SELECT
    r.id, r.submission_id, q.user_id AS client, r.address, r.email, r.domain, r.contact_id, r.priority, r.attempt,
    r.deferrals, r.pin, r.first_tried_at, r.created_at, r.probe, q.queue_id,
    s.bouncer_status, s.bouncer_reason, s.domain_info, s.account_info, s.provider, s.score, s.toxic, s.toxicity, s.extra,
    s.notes, s.processed_ts
FROM bouncer_queue AS q
CROSS JOIN LATERAL (
    SELECT t.* FROM bouncer_results AS t WHERE t.batch_id = q.batch_id AND t.email = q.email OFFSET 0
) AS s
INNER JOIN requests AS r ON q.request_id = r.id
WHERE q.batch_id = $1 AND q.status = 'assigned' AND (q.email, q.queue_id) > ($2, $3)
ORDER BY q.email, q.queue_id
LIMIT $4;

-- set_probes --
-- Put what our own probe said beside the verdicts of requests.
UPDATE email_validation AS v
SET probe = r.probe
FROM requests AS r
WHERE
    r.id = ANY ($1::bigint[]) AND v.email = r.email AND v.contact_id IS NOT DISTINCT FROM r.contact_id
    AND v.probe IS DISTINCT FROM r.probe;

-- complete_answered --
-- Take what has an answer out of the queue.
UPDATE bouncer_queue AS q
SET status = 'completed', completed_ts = now()
WHERE
    q.batch_id = $1 AND q.status = 'assigned'
    AND EXISTS (SELECT FROM bouncer_results AS s WHERE s.batch_id = q.batch_id AND s.email = q.email OFFSET 0);

-- park_quarantined --
-- Set aside requests whose row could not be read, with the row.
WITH parked AS (
    UPDATE bouncer_queue AS q
    SET status = 'failed', park_reason = 'quarantined_row'
    FROM bouncer_incoming AS i
    CROSS JOIN LATERAL (
        SELECT l.email FROM bouncer_members AS l WHERE l.batch_id = i.batch_id AND l.key = i.key OFFSET 0
    ) AS m
    WHERE q.batch_id = $1 AND q.status = 'assigned' AND i.batch_id = $1 AND i.is_quarantined AND m.email = q.email
    RETURNING q.user_id, q.request_id, q.email, i.extra AS detail
)

INSERT INTO bouncer_dead_letter_queue (batch_id, user_id, request_id, email, reason, error_message, detail)
SELECT $1, p.user_id, p.request_id, p.email, 'quarantined_row', 'the row about this address cannot be used', p.detail
FROM parked AS p;

-- park_missing --
-- Set aside requests without an answer: paid for, or asked about often enough.
WITH parked AS (
    UPDATE bouncer_queue AS q
    SET status = 'failed', park_reason = $2
    WHERE q.batch_id = $1 AND q.status = 'assigned' AND q.missing_count >= $3
    RETURNING q.user_id, q.request_id, q.email
)

INSERT INTO bouncer_dead_letter_queue (batch_id, user_id, request_id, email, reason, error_message)
SELECT $1, p.user_id, p.request_id, p.email, $2, 'the results hold no row about this address' FROM parked AS p;

-- requeue_missing --
-- Put requests without an answer back into the queue.
UPDATE bouncer_queue AS q
SET status = 'queued', batch_id = NULL, assigned_ts = NULL, missing_count = q.missing_count + $2
WHERE q.batch_id = $1 AND q.status = 'assigned';

-- queue_deep --
-- Ask the deep pass, once, about domains that accept everything, for the clients that want it.
INSERT INTO bouncer_queue (global_id, user_id, priority, email, domain, pass)
SELECT DISTINCT ON (q.email) q.global_id, q.user_id, q.priority, q.email, q.domain, 'deep'
FROM bouncer_results AS s
CROSS JOIN LATERAL (
    SELECT w.* FROM bouncer_queue AS w
    WHERE w.batch_id = s.batch_id AND w.email = s.email AND w.status = 'assigned'
    OFFSET 0
) AS q
WHERE
    s.batch_id = $1 AND q.pass = 'main' AND q.user_id = ANY ($2::text[])
    AND s.bouncer_status = 'risky' AND s.bouncer_reason = 'low_deliverability'
    AND s.domain_info ->> 'acceptAll' = 'yes'
    AND coalesce(s.account_info ->> 'fullMailbox', 'no') <> 'yes'
    AND coalesce(s.domain_info ->> 'disposable', 'no') <> 'yes'
ORDER BY q.email, q.queue_id
ON CONFLICT DO NOTHING;

-- clear_incoming --
-- Nothing is on its way in any more.
DELETE FROM bouncer_incoming AS i WHERE i.batch_id = $1;

-- resolve_recovered --
-- Whatever was said about the batch while it was under way has come right.
UPDATE bouncer_dead_letter_queue AS d
SET reviewed = true, resolved_ts = now(), resolution = 'recovered'
WHERE d.batch_id = $1 AND d.email IS NULL AND d.resolved_ts IS NULL;

-- record_ingested --
-- The results hold; the provider's copy goes after a while.
UPDATE bouncer_batches AS b
SET
    state = 'ingested', ingested_ts = clock_timestamp(), next_step_ts = clock_timestamp() + $2::interval,
    rows_answered = $3, rows_missing = $4, rows_foreign = $5, rows_doubled = $6, rows_quarantined = $7,
    retry_count = 0, error_kind = NULL, error_message = NULL, updated_ts = now()
WHERE b.id = $1 AND b.state = 'downloaded';
