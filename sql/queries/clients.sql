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

-- list_clients --
-- Everybody who sent work in, or has a key.
SELECT c.name, c.policy, c.created_at FROM clients AS c ORDER BY c.name;
