-- pause --
-- Let something rest; a second word about it replaces the reason.
INSERT INTO pauses (kind, key, reason, paused_by) VALUES ($1, $2, $3, $4)
ON CONFLICT (kind, key) DO UPDATE SET reason = excluded.reason, paused_by = excluded.paused_by
RETURNING (xmax = 0) AS is_new;

-- resume --
-- Let something go on.
DELETE FROM pauses WHERE kind = $1 AND key = $2
RETURNING 1;

-- load_pauses --
-- What rests.
SELECT p.kind, p.key, p.reason, p.paused_by, p.created_at FROM pauses AS p
ORDER BY p.kind, p.key;

-- forget_lane --
-- Forget what is kept of a lane, for a daemon that does not run.
DELETE FROM lane_state WHERE lane = $1;

-- ask_reset --
-- Ask every daemon that has this lane to let it go again.
INSERT INTO lane_resets (lane, asked_by) VALUES ($1, $2)
ON CONFLICT (lane) DO UPDATE SET asked_by = excluded.asked_by, asked_at = clock_timestamp();

-- load_resets --
-- The lanes asked about since a time, and that time's successor.
SELECT r.lane, r.asked_at FROM lane_resets AS r WHERE r.asked_at > $1 ORDER BY r.asked_at;

-- delete_resets --
-- Delete what every daemon has heard long ago.
DELETE FROM lane_resets WHERE asked_at < now() - interval '1 day';

-- tell --
-- Tell every daemon to look now.
SELECT pg_notify('validatord_operator', '');

-- time_now --
-- The database's clock.
SELECT clock_timestamp();
