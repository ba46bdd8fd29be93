-- count_unfinished --
-- Requests that are not decided yet: all, and those that somebody else decides.
SELECT
    (SELECT coalesce(sum(s.requests - s.finished), 0) FROM submissions AS s WHERE s.finished_at IS NULL)::bigint AS unfinished,
    (SELECT count(*) FROM requests AS r WHERE r.state = 'handed_over')::bigint AS handed_over;

-- count_domains --
-- Domains due now, being visited, and for how many seconds the longest waiting one is due.
SELECT
    count(*) FILTER (WHERE q.leased_until IS NULL AND q.next_due <= now())::bigint AS due,
    count(*) FILTER (WHERE q.leased_until IS NULL AND q.next_due > now())::bigint AS later,
    count(*) FILTER (WHERE q.leased_until IS NOT NULL)::bigint AS leased,
    coalesce(extract(epoch FROM now() - min(q.next_due) FILTER (WHERE q.leased_until IS NULL AND q.next_due <= now())), 0)::float8
        AS oldest_due_seconds
FROM domain_queue AS q
WHERE q.next_due IS NOT NULL OR q.leased_until IS NOT NULL;

-- count_bouncer_queue --
-- Addresses on their way through Bouncer.
SELECT q.pass, q.status, count(*)::bigint AS addresses
FROM bouncer_queue AS q
WHERE q.status IN ('queued', 'assigned')
GROUP BY q.pass, q.status;

-- count_open_batches --
-- Batches that are not over.
SELECT b.pass, b.state, count(*)::bigint AS batches
FROM bouncer_batches AS b
WHERE b.state NOT IN ('cleaned', 'parked')
GROUP BY b.pass, b.state;

-- count_messages --
-- Messages that wait to be told, and those nobody took lately.
SELECT
    (SELECT count(*) FROM outbox)::bigint + (SELECT count(*) FROM deliveries AS d WHERE d.state = 'pending')::bigint AS pending,
    (SELECT count(*) FROM deliveries AS d WHERE d.state = 'dead' AND d.finished_at > now() - interval '1 day')::bigint AS dead;

-- count_dead --
-- What waits for a person: dead letters of Bouncer's, and jobs of the last day that nobody could read.
SELECT
    (SELECT count(*) FROM bouncer_dead_letter_queue AS d WHERE NOT d.reviewed)::bigint AS bouncer_letters,
    (SELECT count(*) FROM rejected_jobs AS j WHERE j.rejected_at > now() - interval '1 day')::bigint AS rejected_jobs;

-- measure_tables --
-- Rows of the busy tables as the statistics know them.
SELECT t.relname AS name, t.n_live_tup::bigint AS live, t.n_dead_tup::bigint AS dead
FROM pg_stat_user_tables AS t
WHERE
    t.schemaname = current_schema()
    AND t.relname IN ('requests', 'domain_queue', 'email_validation', 'bouncer_queue', 'deliveries', 'submissions');

-- find_oldest_transaction --
-- For how many seconds the oldest transaction of this database is open; those of other roles show only with pg_read_all_stats.
SELECT coalesce(extract(epoch FROM max(clock_timestamp() - a.xact_start)), 0)::float8
FROM pg_stat_activity AS a
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend';
