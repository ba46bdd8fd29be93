-- load_states --
-- What the lanes of a node remember.
SELECT s.lane, s.snapshot FROM lane_state AS s WHERE s.node = $1;

-- save_states --
-- Keep what the lanes of a node remember.
INSERT INTO lane_state (node, lane, snapshot)
SELECT $1, u.lane, u.snapshot FROM unnest($2::text[], $3::jsonb[]) AS u (lane, snapshot)
ORDER BY u.lane
ON CONFLICT (node, lane) DO UPDATE SET snapshot = excluded.snapshot, updated_at = now();
