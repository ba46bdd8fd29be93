-- add_secret --
-- Keep a secret unless one of that name exists.
INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING;

-- get_secret --
-- A secret by its name.
SELECT s.value FROM secrets AS s WHERE s.name = $1;
