-- wait_shortly --
-- Wait for a lock no longer than a killed process's connection may need to end; until the end of the transaction.
SELECT set_config('lock_timeout', '1500ms', true);

-- lock_node --
-- Take the lock of a node's name for as long as this connection lives.
SELECT pg_advisory_lock(hashtextextended('validatord.node:' || $1::text, 0));

-- start_node --
-- Raise the epoch of a node and return it.
INSERT INTO nodes (name, epoch) VALUES ($1, 1)
ON CONFLICT (name) DO UPDATE SET epoch = nodes.epoch + 1, started_at = now(), seen_at = now()
RETURNING epoch;

-- check_node --
-- The epoch of a node now: another one than ours means that a later start has taken over.
SELECT epoch FROM nodes WHERE name = $1;

-- see_node --
-- Say that a node lives.
UPDATE nodes SET seen_at = now() WHERE name = $1 AND epoch = $2
RETURNING epoch;

-- running_nodes --
-- The nodes whose lock is held by somebody.
SELECT n.name
FROM nodes AS n
INNER JOIN pg_locks AS l
    ON
        l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
        AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
        AND ((l.classid::bigint << 32) | l.objid::bigint) = hashtextextended('validatord.node:' || n.name, 0)
ORDER BY n.name;

-- about_connection --
-- What tells the server process of this connection from any other, also after its number is used again.
SELECT a.pid, a.backend_start FROM pg_stat_activity AS a WHERE a.pid = pg_backend_pid();

-- end_connection --
-- End a server process of ours that has not noticed that we are gone, and wait for its end.
SELECT pg_terminate_backend(a.pid, 2000)
FROM pg_stat_activity AS a
WHERE a.pid = $1 AND a.backend_start = $2;
