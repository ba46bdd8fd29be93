-- add_day --
-- Begin a client's day.
INSERT INTO client_days (client, day) VALUES ($1, $2) ON CONFLICT (client, day) DO NOTHING;

-- lock_day --
-- What a client's day has used so far, held until the end of the transaction.
SELECT d.requests FROM client_days AS d WHERE d.client = $1 AND d.day = $2 FOR UPDATE;

-- use_day --
-- Use more of a client's day, or give some of it back.
UPDATE client_days AS d SET requests = greatest(0, d.requests + $3::bigint) WHERE d.client = $1 AND d.day = $2;

-- forget_days --
-- Forget a client's days before one.
DELETE FROM client_days AS d WHERE d.client = $1 AND d.day < $2;
