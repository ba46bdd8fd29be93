-- add_buckets --
-- Make sure that the buckets exist.
INSERT INTO bouncer_rate_limit (bucket)
SELECT u.bucket FROM unnest($1::text[]) AS u (bucket)
ON CONFLICT (bucket) DO NOTHING;

-- reserve_call --
-- Take the next free moment of all buckets a call counts in, unless its own bucket or the horizon says later.
WITH held AS MATERIALIZED (
    SELECT b.bucket, greatest(b.next_free_ts, b.blocked_until_ts) AS free_ts, u.spacing, u.is_own
    FROM bouncer_rate_limit AS b
    INNER JOIN unnest($1::text[], $2::interval[], $3::boolean[]) AS u (bucket, spacing, is_own) ON b.bucket = u.bucket
    ORDER BY b.bucket
    FOR UPDATE OF b
),

-- The time is read behind the locks: whoever waited for one must not count from before.
plan AS MATERIALIZED (
    SELECT
        clock_timestamp() AS now_ts,
        max(h.free_ts) AS free_ts,
        max(h.free_ts) FILTER (WHERE h.is_own) AS own_ts,
        max(h.free_ts) FILTER (WHERE NOT h.is_own) AS shared_ts
    FROM held AS h
),

slot AS MATERIALIZED (
    SELECT
        p.now_ts,
        greatest(p.now_ts, p.free_ts) AS at_ts,
        -- Reserving far ahead in a shared bucket for the sake of a slow one would waste what others could use.
        coalesce(p.own_ts <= greatest(p.now_ts, p.shared_ts) + interval '50 milliseconds', true)
        AND greatest(p.now_ts, p.free_ts) <= p.now_ts + $4::interval AS is_granted
    FROM plan AS p
),

moved AS (
    UPDATE bouncer_rate_limit AS b
    SET
        next_free_ts = s.at_ts + h.spacing,
        request_count = CASE WHEN b.window_end_ts <= s.at_ts THEN 1 ELSE b.request_count + 1 END,
        window_start_ts = CASE WHEN b.window_end_ts <= s.at_ts THEN s.at_ts ELSE b.window_start_ts END,
        window_end_ts = CASE WHEN b.window_end_ts <= s.at_ts THEN s.at_ts + interval '1 minute' ELSE b.window_end_ts END
    FROM slot AS s CROSS JOIN held AS h
    WHERE b.bucket = h.bucket AND s.is_granted
)

SELECT s.is_granted, extract(EPOCH FROM s.at_ts - s.now_ts)::double precision AS wait_seconds FROM slot AS s;

-- block_buckets --
-- Let nobody through these buckets for a while.
UPDATE bouncer_rate_limit AS b
SET blocked_until_ts = greatest(b.blocked_until_ts, clock_timestamp() + $2::interval)
WHERE b.bucket = ANY ($1::text[]);

-- load_buckets --
-- Calls of the last minute by bucket, and until when it is blocked.
SELECT
    b.bucket,
    CASE WHEN b.window_end_ts > clock_timestamp() THEN b.request_count ELSE 0 END AS request_count,
    CASE WHEN b.blocked_until_ts > clock_timestamp() THEN b.blocked_until_ts END AS blocked_until_ts
FROM bouncer_rate_limit AS b
ORDER BY b.bucket;

-- load_budgets --
-- What of this day's and this month's budgets is taken.
SELECT b.client, b.period, b.credits
FROM bouncer_budgets AS b
WHERE
    b.pass = $1
    AND b.starts_on = CASE b.period
        WHEN 'day' THEN (now() AT TIME ZONE 'UTC')::date
        ELSE date_trunc('month', now() AT TIME ZONE 'UTC')::date
    END;

-- reserve_credits --
-- Take a batch's credits from the budgets of its clients and of the account; a cap that would break refuses.
INSERT INTO bouncer_budgets AS b (pass, client, period, starts_on, credits, cap)
SELECT t.pass, p.client, s.period, s.starts_on, p.credits, CASE s.period WHEN 'day' THEN c.per_day ELSE c.per_month END
FROM bouncer_batches AS t
CROSS JOIN LATERAL (
    SELECT m.client, count(*)::integer AS credits FROM bouncer_members AS m WHERE m.batch_id = t.id GROUP BY m.client
    UNION ALL
    SELECT '', t.quantity
) AS p
CROSS JOIN LATERAL (
    VALUES
    ('day', (t.created_ts AT TIME ZONE 'UTC')::date),
    ('month', date_trunc('month', t.created_ts AT TIME ZONE 'UTC')::date)
) AS s (period, starts_on)
LEFT JOIN unnest($2::text[], $3::integer[], $4::integer[]) AS c (client, per_day, per_month) ON p.client = c.client
WHERE t.id = $1
ORDER BY p.client, s.period
ON CONFLICT (pass, client, period, starts_on) DO UPDATE SET
    credits = b.credits + excluded.credits,
    cap = excluded.cap;

-- return_credits --
-- Give the budgets back what of a batch was not charged: members without an answer, and those whose answer is free.
UPDATE bouncer_budgets AS b
SET credits = greatest(0, b.credits - p.credits)
FROM (
    SELECT t.pass, t.created_ts, coalesce(f.client, '') AS client, count(*)::integer AS credits
    FROM bouncer_batches AS t
    INNER JOIN bouncer_members AS f ON t.id = f.batch_id
    LEFT JOIN LATERAL (
        SELECT s.bouncer_status FROM bouncer_results AS s WHERE s.batch_id = f.batch_id AND s.email = f.email OFFSET 0
    ) AS r ON true
    WHERE t.id = $1 AND coalesce(r.bouncer_status, 'unknown') = 'unknown'
    GROUP BY GROUPING SETS ((t.pass, t.created_ts, f.client), (t.pass, t.created_ts))
) AS p
WHERE
    b.pass = p.pass AND b.client = p.client
    AND b.starts_on = CASE b.period
        WHEN 'day' THEN (p.created_ts AT TIME ZONE 'UTC')::date
        ELSE date_trunc('month', p.created_ts AT TIME ZONE 'UTC')::date
    END;

-- load_accounts --
-- What is known of the accounts: credits, and why nothing is asked or bought.
SELECT
    a.*, a.check_ts <= clock_timestamp() AS is_check_due, coalesce(a.credits_ts > clock_timestamp() - $1::interval, false) AS is_fresh
FROM bouncer_accounts AS a
ORDER BY a.pass;

-- use_key --
-- Note the key in use; another one than before ends stop and pause.
UPDATE bouncer_accounts AS a
SET key_hash = $2, stopped_ts = NULL, paused_ts = NULL, pause_reason = NULL, check_ts = NULL
WHERE a.pass = $1 AND a.key_hash <> $2
RETURNING a.pass;

-- save_credits --
-- Keep the credits just read; whoever could read them is not stopped.
UPDATE bouncer_accounts AS a
SET credits = $2, credits_ts = clock_timestamp(), stopped_ts = NULL
WHERE a.pass = $1;

-- stop_account --
-- Ask nothing until the key changes or works again; returns a row only where that is news.
WITH before AS MATERIALIZED (SELECT a.pass, a.stopped_ts FROM bouncer_accounts AS a WHERE a.pass = $1 FOR UPDATE)

UPDATE bouncer_accounts AS a
SET stopped_ts = coalesce(a.stopped_ts, now()), last_error = $2, check_ts = clock_timestamp() + $3::interval
FROM before AS b
WHERE a.pass = b.pass
RETURNING b.stopped_ts IS NULL AS is_news;

-- pause_account --
-- Buy nothing until somebody looks again; returns whether that is news.
WITH before AS MATERIALIZED (SELECT a.pass, a.paused_ts FROM bouncer_accounts AS a WHERE a.pass = $1 FOR UPDATE)

UPDATE bouncer_accounts AS a
SET
    paused_ts = coalesce(a.paused_ts, now()), pause_reason = $2, last_error = $3,
    check_ts = clock_timestamp() + $4::interval
FROM before AS b
WHERE a.pass = b.pass
RETURNING b.paused_ts IS NULL AS is_news;

-- postpone_check --
-- Look again later.
UPDATE bouncer_accounts AS a SET check_ts = clock_timestamp() + $2::interval WHERE a.pass = $1;

-- resume_account --
-- Buy again; returns a row only where nothing was bought before.
UPDATE bouncer_accounts AS a
SET paused_ts = NULL, pause_reason = NULL, check_ts = NULL
WHERE a.pass = $1 AND a.paused_ts IS NOT NULL
RETURNING a.pass;
