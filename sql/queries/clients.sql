-- load_policies --
-- The policy of each client that has one.
SELECT c.name, c.policy FROM clients AS c WHERE c.policy <> '{}'::jsonb;

-- load_policy --
-- The policy of one client.
SELECT c.policy FROM clients AS c WHERE c.name = $1;

-- set_policy --
-- Give a client its policy.
INSERT INTO clients (name, policy) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET policy = excluded.policy;

-- insert_client --
-- Make a client known; says whether it was not before.
INSERT INTO clients (name) VALUES ($1) ON CONFLICT (name) DO NOTHING RETURNING 1;

-- lock_policy --
-- The policy of one client, for a change.
SELECT c.policy FROM clients AS c WHERE c.name = $1 FOR UPDATE;

-- list_clients --
-- All clients with their policies and how many submissions they have.
SELECT
    c.name, c.created_at, c.policy,
    (SELECT count(*) FROM submissions AS s WHERE s.client = c.name) AS submissions
FROM clients AS c
ORDER BY c.name;
