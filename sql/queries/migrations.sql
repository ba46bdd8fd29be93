-- lift_timeouts --
-- Let this transaction wait and work for as long as it needs.
SELECT
    set_config('lock_timeout', '0', true),
    set_config('statement_timeout', '0', true),
    set_config('client_min_messages', 'warning', true);

-- lock_migrations --
-- Let one migration run at a time, until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('validatord.migrations', 0));

-- load_migrations --
-- Which files ran on this database.
SELECT version, checksum FROM schema_migrations ORDER BY version;

-- record_migration --
-- Remember that a file ran.
INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3);

-- take_time --
-- No limit to how long a statement of this transaction takes.
SET LOCAL statement_timeout = 0;
