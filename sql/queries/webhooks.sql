-- add_webhook --
-- Register a receiver.
INSERT INTO webhooks (client, url, secret, events) VALUES ($1, $2, $3, $4)
RETURNING *;

-- list_webhooks --
-- Receivers, of one client or of all.
SELECT w.* FROM webhooks AS w
WHERE $1::text IS NULL OR w.client = $1
ORDER BY w.id;

-- get_webhook --
-- One receiver, if it belongs to the client asked for.
SELECT w.* FROM webhooks AS w WHERE w.id = $1 AND ($2::text IS NULL OR w.client = $2);

-- change_webhook --
-- Change where a receiver is, what it hears of, and whether it is on; NULL leaves as it is.
UPDATE webhooks AS w
SET
    url = coalesce($3, w.url),
    events = coalesce($4, w.events),
    is_enabled = coalesce($5, w.is_enabled),
    disabled_reason = CASE WHEN $5::boolean IS NULL THEN w.disabled_reason END
WHERE w.id = $1 AND ($2::text IS NULL OR w.client = $2)
RETURNING *;

-- rotate_secret --
-- Give a receiver a new secret; messages carry the signature of the old one, too, for a while.
UPDATE webhooks AS w
SET previous_secret = w.secret, previous_until = now() + $4::interval, secret = $3
WHERE w.id = $1 AND ($2::text IS NULL OR w.client = $2)
RETURNING *;

-- remove_webhook --
-- Remove a receiver, and with it what waits for it.
DELETE FROM webhooks AS w WHERE w.id = $1 AND ($2::text IS NULL OR w.client = $2)
RETURNING 1;
