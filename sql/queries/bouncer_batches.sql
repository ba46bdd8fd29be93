-- try_lock_driver --
-- Become the one driver of the ledger, as long as this connection lives.
SELECT pg_try_advisory_lock(hashtextextended('validatord.bouncer_driver', 0));

-- holds_driver_lock --
-- Whether this connection is the driver's.
SELECT EXISTS (
    SELECT FROM pg_locks AS l
    WHERE
        l.locktype = 'advisory' AND l.pid = pg_backend_pid() AND l.granted AND l.objsubid = 1
        AND ((l.classid::bigint << 32) | l.objid::bigint) = hashtextextended('validatord.bouncer_driver', 0)
);

-- claim_due --
-- Open batches whose step is due, oldest first, each with the time of its next one already written.
UPDATE bouncer_batches AS b
SET
    next_step_ts = clock_timestamp() + CASE
        WHEN b.state IN ('submitted', 'cancelling') THEN $1::interval
        ELSE least($3::interval, $2::interval * (2 ^ least(b.retry_count, 20)))
    END
WHERE
    b.state IN ('planned', 'submitted', 'ready', 'downloaded', 'ingested', 'cancelling')
    AND b.next_step_ts <= clock_timestamp() AND b.id <> ALL ($4::bigint[])
RETURNING b.*;

-- next_quantity --
-- How many credits the next create needs.
SELECT coalesce(min(b.quantity), 1) FROM bouncer_batches AS b WHERE b.state = 'planned' AND b.pass = $1;

-- find_heads --
-- Of each pass, the batch that stands first in the provider's line.
SELECT min(b.id) AS id FROM bouncer_batches AS b WHERE b.state IN ('submitted', 'cancelling') GROUP BY b.pass;

-- is_idle --
-- Whether nothing is under way and nothing waits.
SELECT
    NOT EXISTS (SELECT FROM bouncer_batches AS b WHERE b.state NOT IN ('cleaned', 'parked'))
    AND NOT EXISTS (SELECT FROM bouncer_queue AS q WHERE q.status = 'queued');

-- list_batches --
-- The newest batches, or those of some states.
SELECT b.* FROM bouncer_batches AS b
WHERE $1::text[] IS NULL OR b.state = ANY ($1::text[])
ORDER BY b.id DESC
LIMIT $2;

-- get_batch --
-- One batch.
SELECT b.* FROM bouncer_batches AS b WHERE b.id = $1;

-- count_open --
-- Batches under way, by pass, and how many of them are not created yet.
SELECT
    b.pass, count(*)::integer AS open, count(*) FILTER (WHERE b.state = 'planned')::integer AS planned,
    count(*) FILTER (WHERE b.state IN ('submitting', 'submit_unknown'))::integer AS submitting
FROM bouncer_batches AS b
WHERE b.state IN ('planned', 'submitting', 'submit_unknown', 'submitted', 'ready', 'cancelling')
GROUP BY b.pass;

-- load_payload --
-- The addresses of a batch in the order they are sent.
SELECT m.email FROM bouncer_members AS m WHERE m.batch_id = $1 ORDER BY m.idx;

-- list_clients --
-- The clients with requests in a batch.
SELECT DISTINCT q.user_id AS client FROM bouncer_queue AS q WHERE q.batch_id = $1 AND q.status = 'assigned';

-- begin_create --
-- Write down that the create is about to be sent: from here on a crash leaves it unknown.
UPDATE bouncer_batches AS b
SET
    state = 'submitting', creates = b.creates + 1, submitting_ts = clock_timestamp(), credits_before = $2,
    updated_ts = now()
WHERE b.id = $1 AND b.state = 'planned'
RETURNING b.creates;

-- record_created --
-- The provider has it, under this name; an answer that comes late settles an unknown create, too.
UPDATE bouncer_batches AS b
SET
    state = 'submitted', batch_id = $3, status = $4, provider_quantity = $5, duplicates = coalesce($6, 0),
    submitted_ts = clock_timestamp(), progressed_ts = clock_timestamp(), updated_ts = now(),
    next_step_ts = clock_timestamp() + $7::interval, retry_count = 0, error_kind = NULL, error_message = NULL
WHERE b.id = $1 AND b.creates = $2 AND b.state IN ('submitting', 'submit_unknown')
RETURNING b.id;

-- record_not_created --
-- The provider surely does not have it: it may be sent again.
UPDATE bouncer_batches AS b
SET
    state = 'planned', next_step_ts = clock_timestamp() + $3::interval, error_kind = $4, error_message = $5,
    retry_count = b.retry_count + $6, updated_ts = now()
WHERE b.id = $1 AND b.creates = $2 AND b.state = 'submitting'
RETURNING b.id;

-- record_unknown --
-- Nobody knows whether the provider has it; only an answer or an operator ends this.
UPDATE bouncer_batches AS b
SET state = 'submit_unknown', error_kind = $3, error_message = $4, updated_ts = now()
WHERE b.id = $1 AND b.creates = $2 AND b.state = 'submitting'
RETURNING b.id;

-- record_interrupted --
-- What another process had begun to send is unknown now.
UPDATE bouncer_batches AS b
SET
    state = 'submit_unknown', error_kind = 'interrupted',
    error_message = 'the process ended before the answer was written down', updated_ts = now()
WHERE b.state = 'submitting' AND b.id <> ALL ($1::bigint[])
RETURNING b.id;

-- explain_credits --
-- Credits that creates since the last reading may have taken.
SELECT coalesce(sum(b.quantity), 0)::bigint
FROM bouncer_accounts AS a
INNER JOIN bouncer_batches AS b ON a.pass = b.pass AND b.submitting_ts > a.credits_ts - interval '5 minutes'
WHERE a.pass = $1;

-- wants_credits --
-- Whether a create whose answer never came still lacks the credits after it.
SELECT EXISTS (
    SELECT FROM bouncer_batches AS b
    WHERE
        b.state = 'submit_unknown' AND b.pass = $1 AND b.credits_after IS NULL
        AND b.credits_before IS NOT NULL
);

-- record_credits_after --
-- The credits as they are after a create whose answer never came.
UPDATE bouncer_batches AS b
SET credits_after = $1, updated_ts = now()
WHERE b.state = 'submit_unknown' AND b.credits_after IS NULL
RETURNING b.id;

-- record_status --
-- What the provider says about a running batch; complete ones may be downloaded.
UPDATE bouncer_batches AS b
SET
    state = CASE WHEN $6 THEN 'ready' ELSE b.state END,
    status = $2,
    processed = coalesce($3, b.processed),
    credits = coalesce($4, b.credits),
    duplicates = coalesce($5, b.duplicates),
    completed_ts = CASE WHEN $6 THEN coalesce(b.completed_ts, clock_timestamp()) ELSE b.completed_ts END,
    progressed_ts = CASE
        WHEN b.status IS DISTINCT FROM $2 OR b.processed < $3 THEN clock_timestamp() ELSE b.progressed_ts
    END,
    is_stuck = CASE WHEN b.status IS DISTINCT FROM $2 OR b.processed < $3 THEN false ELSE b.is_stuck END,
    missing_since_ts = NULL, retry_count = 0, error_kind = NULL, error_message = NULL,
    next_step_ts = clock_timestamp() + $7::interval, updated_ts = now()
WHERE b.id = $1 AND b.state IN ('submitted', 'cancelling')
RETURNING b.state;

-- note_stuck --
-- Mark the batch at the head of the line if nothing moved for long; returned where that is news.
UPDATE bouncer_batches AS b
SET is_stuck = true
WHERE
    b.id = (
        SELECT min(h.id) FROM bouncer_batches AS h WHERE h.pass = $1 AND h.state IN ('submitted', 'cancelling')
    )
    AND NOT b.is_stuck AND b.progressed_ts <= clock_timestamp() - $2::interval
RETURNING b.id, b.batch_id, b.status, b.processed, b.progressed_ts;

-- note_missing --
-- The provider does not know the batch: lost, if it said so before and long enough ago.
UPDATE bouncer_batches AS b
SET
    missing_since_ts = coalesce(b.missing_since_ts, clock_timestamp()),
    state = CASE WHEN b.missing_since_ts <= clock_timestamp() - $2::interval THEN 'lost' ELSE b.state END,
    next_step_ts = clock_timestamp() + $3::interval, error_kind = $4, error_message = $5, updated_ts = now()
WHERE b.id = $1 AND b.state IN ('submitted', 'cancelling', 'ready')
RETURNING b.state;

-- postpone_step --
-- The next step of a batch is tried again later; its state stays.
UPDATE bouncer_batches AS b
SET
    next_step_ts = clock_timestamp() + $3::interval, error_kind = $4, error_message = $5,
    retry_count = b.retry_count + $6, updated_ts = now()
WHERE b.id = $1 AND b.state = $2;

-- reopen_batch --
-- The provider says that it is not complete after all: go on polling.
UPDATE bouncer_batches AS b
SET state = CASE WHEN b.cancel_ts IS NULL THEN 'submitted' ELSE 'cancelling' END,
    next_step_ts = clock_timestamp() + $2::interval, updated_ts = now()
WHERE b.id = $1 AND b.state = 'ready';

-- add_part --
-- Keep a piece of a download.
INSERT INTO bouncer_downloads (batch_id, part, body) VALUES ($1, $2, $3);

-- record_download --
-- The results are here, whole; the ingest takes them from there.
UPDATE bouncer_batches AS b
SET
    state = 'downloaded', downloaded_ts = clock_timestamp(), downloads = b.downloads + 1, download_bytes = $2,
    download_sha256 = $3, next_step_ts = clock_timestamp(), retry_count = 0, error_kind = NULL, error_message = NULL,
    missing_since_ts = NULL, updated_ts = now()
WHERE b.id = $1 AND b.state = 'ready'
RETURNING b.id;

-- discard_download --
-- The results do not do: download them again later, which is free.
UPDATE bouncer_batches AS b
SET
    state = 'ready', next_step_ts = clock_timestamp() + $2::interval, error_kind = $3, error_message = $4,
    retry_count = b.retry_count + 1, updated_ts = now()
WHERE b.id = $1 AND b.state = 'downloaded';

-- delete_parts --
-- Forget what was downloaded.
DELETE FROM bouncer_downloads AS d WHERE d.batch_id = $1;

-- get_part --
-- A piece of a download.
SELECT d.body FROM bouncer_downloads AS d WHERE d.batch_id = $1 AND d.part = $2;

-- record_cleaned --
-- The provider has forgotten the batch.
UPDATE bouncer_batches AS b
SET state = 'cleaned', cleaned_ts = clock_timestamp(), error_kind = NULL, error_message = NULL, updated_ts = now()
WHERE b.id = $1 AND b.state = 'ingested'
RETURNING b.id;

-- delete_members --
-- The intent has served.
DELETE FROM bouncer_members AS m WHERE m.batch_id = $1;

-- begin_cancel --
-- End a running batch early: only ever because somebody asked for it.
UPDATE bouncer_batches AS b
SET state = 'cancelling', cancel_ts = now(), next_step_ts = clock_timestamp(), updated_ts = now()
WHERE b.id = $1 AND b.state = 'submitted'
RETURNING b.id;

-- record_finish --
-- The provider took the wish to end the batch.
UPDATE bouncer_batches AS b
SET finish_ts = clock_timestamp(), next_step_ts = clock_timestamp() + $2::interval, updated_ts = now()
WHERE b.id = $1 AND b.state = 'cancelling';

-- adopt_batch --
-- An operator found it at the provider, under this name.
UPDATE bouncer_batches AS b
SET
    state = 'submitted', batch_id = $2, resolution = 'adopted', submitted_ts = coalesce(b.submitted_ts, now()),
    progressed_ts = clock_timestamp(), missing_since_ts = NULL, next_step_ts = clock_timestamp(), retry_count = 0,
    error_kind = NULL, error_message = NULL, updated_ts = now()
WHERE b.id = $1 AND b.state IN ('planned', 'submit_unknown', 'lost')
RETURNING b.id;

-- adopt_by_intent --
-- The provider itself named it, with the token only we know.
UPDATE bouncer_batches AS b
SET
    state = 'submitted', batch_id = $2, resolution = 'adopted', submitted_ts = now(), progressed_ts = clock_timestamp(),
    next_step_ts = clock_timestamp(), error_kind = NULL, error_message = NULL, updated_ts = now()
WHERE b.intent = $1 AND b.state = 'submit_unknown'
RETURNING b.id;

-- hasten_poll --
-- The provider says that a batch is complete: look now.
UPDATE bouncer_batches AS b
SET next_step_ts = clock_timestamp()
WHERE b.intent = $1 AND b.state IN ('submitted', 'cancelling')
RETURNING b.id;

-- close_batch --
-- Nothing more comes of this batch.
UPDATE bouncer_batches AS b
SET state = 'parked', resolution = $2, updated_ts = now()
WHERE b.id = $1 AND (b.state IN ('submit_unknown', 'lost') OR (b.state = 'parked' AND b.resolution IS NULL))
RETURNING b.id, b.creates;

-- park_batch --
-- Set a batch aside for a person.
UPDATE bouncer_batches AS b
SET state = 'parked', error_kind = $3, error_message = $4, updated_ts = now()
WHERE b.id = $1 AND b.state = $2
RETURNING b.id;

-- retire_members --
-- The addresses of a batch may stand in another one again.
UPDATE bouncer_members AS m SET is_live = false WHERE m.batch_id = $1 AND m.is_live;
