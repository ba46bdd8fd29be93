-- server_facts --
-- What the doctor looks at of a PostgreSQL server: version, limits, promises, clock, and who is connected.
SELECT
    current_setting('server_version_num')::integer AS version,
    current_setting('server_version') AS version_name,
    current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer AS places,
    (
        SELECT count(*) FROM pg_stat_activity AS others
        WHERE others.backend_type = 'client backend' AND others.application_name NOT LIKE 'validatord%'
    ) AS others,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('fsync') AS fsync,
    current_setting('full_page_writes') AS full_page_writes,
    pg_is_in_recovery() AS is_standby,
    (
        SELECT extract(EPOCH FROM max(now() - oldest.xact_start))::double precision FROM pg_stat_activity AS oldest
        WHERE oldest.backend_type = 'client backend' AND oldest.pid <> pg_backend_pid()
    ) AS oldest_seconds,
    clock_timestamp() AS clock;
