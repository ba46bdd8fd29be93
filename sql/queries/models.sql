-- add_model --
-- Keep a model; the same one again changes nothing.
WITH added AS (
    INSERT INTO models (hash, origin, document, trained_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (hash) DO NOTHING
    RETURNING id
)

SELECT a.id FROM added AS a
UNION ALL
SELECT m.id FROM models AS m WHERE m.hash = $1
LIMIT 1;

-- list_models --
-- Every model, newest first.
SELECT m.id, m.hash, m.origin, m.document, m.trained_at, m.created_at, m.is_active, m.activated_at
FROM models AS m
ORDER BY m.id DESC
LIMIT $1;

-- get_model --
-- One model.
SELECT m.id, m.hash, m.origin, m.document, m.trained_at, m.created_at, m.is_active, m.activated_at
FROM models AS m
WHERE m.id = $1;

-- find_active_hash --
-- Which model is applied.
SELECT m.hash FROM models AS m WHERE m.is_active;

-- get_active_model --
-- The model that is applied.
SELECT m.id, m.hash, m.origin, m.document, m.trained_at, m.created_at, m.is_active, m.activated_at
FROM models AS m
WHERE m.is_active;

-- lock_models --
-- Let activations take turns.
LOCK TABLE models IN SHARE ROW EXCLUSIVE MODE;

-- deactivate_models --
-- Apply no model.
UPDATE models AS m SET is_active = false WHERE m.is_active
RETURNING m.id;

-- activate_model --
-- Apply this model.
UPDATE models AS m SET is_active = true, activated_at = now() WHERE m.id = $1
RETURNING m.id;

-- load_domain_track_records --
-- How campaigns fared at domains up to now.
SELECT u.domain, w.bounced, w.alive, w.verified
FROM unnest($1::text[]) AS u (domain)
CROSS JOIN LATERAL domain_track_record(u.domain, now(), $2::interval) AS w;

-- load_mailbox_track_records --
-- How campaigns fared at mailboxes up to now; an event counts half after each half-life.
SELECT
    lower(e.email) AS email,
    coalesce(sum(power(0.5, (extract(EPOCH FROM now() - e.event_at) / extract(EPOCH FROM $2::interval))::float8))
        FILTER (WHERE e.event_type NOT IN ('hard_bounce', 'soft_bounce')), 0) AS alive,
    coalesce(sum(power(0.5, (extract(EPOCH FROM now() - e.event_at) / extract(EPOCH FROM $2::interval))::float8))
        FILTER (WHERE e.event_type = 'soft_bounce'), 0) AS soft_bounces
FROM email_events AS e
WHERE lower(e.email) = ANY ($1::text[]) AND e.event_at < now()
GROUP BY lower(e.email);

-- load_evidence --
-- The newest verdict of our own on each address, with what is known of its domain.
SELECT DISTINCT ON (v.email) v.*, d.provider_key, d.spf, d.dmarc, d.is_redundant, d.health_checked_at
FROM email_validation AS v
LEFT JOIN domain_cache AS d ON v.domain = d.domain
WHERE v.email = ANY ($1::text[]) AND v.source IN ('probe', 'domain', 'dns')
ORDER BY v.email, v.checked_at DESC;
