-- Models that were trained here or brought here; at most one is applied. And what training looks up.

CREATE TABLE models (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash         text NOT NULL UNIQUE CHECK (length(hash) = 64),
    origin       text NOT NULL CHECK (origin IN ('trained', 'imported')),
    document     json NOT NULL,          -- json, not jsonb: kept to the letter
    trained_at   timestamptz NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    is_active    boolean NOT NULL DEFAULT false,
    activated_at timestamptz,
    CHECK (NOT is_active OR activated_at IS NOT NULL)
);
COMMENT ON TABLE models IS 'Learned from email_events; a model is a JSON document with its own hash.';
CREATE UNIQUE INDEX models_one_active ON models (is_active) WHERE is_active;

-- Which lists a mailbox was on.
CREATE INDEX requests_email ON requests (email) WHERE state = 'done';
-- How a domain fared before a moment, newest events first.
CREATE INDEX email_events_domain_of ON email_events (substring(lower(email) FROM '[^@]*$'), event_at DESC);

-- One definition for training, scoring and re-scoring: nothing at or after the moment is seen. Of a large
-- domain the newest 500 events and 500 verdicts are read: its share of bounces is known well enough by then.
-- A verdict counts from a fortnight on, when a campaign would have told that its mailbox is gone.
CREATE FUNCTION domain_track_record(wanted text, moment timestamptz, half_life interval)
RETURNS TABLE (bounced double precision, alive double precision, verified double precision)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        coalesce(sum(power(0.5, m.age)) FILTER (WHERE m.has_bounced), 0),
        coalesce(sum(power(0.5, m.age)) FILTER (WHERE NOT m.has_bounced), 0),
        (
            SELECT coalesce(sum(power(0.5, k.age)), 0) FROM (
                SELECT (extract(EPOCH FROM moment - l.created_at) / extract(EPOCH FROM half_life))::double precision AS age
                FROM email_validation AS l
                WHERE l.domain = wanted AND l.status <> 'invalid' AND l.created_at < moment - interval '14 days'
                LIMIT 500
            ) AS k
        )
    FROM (
        SELECT
            bool_or(e.event_type = 'hard_bounce') AS has_bounced,
            (extract(EPOCH FROM moment - min(e.event_at)) / extract(EPOCH FROM half_life))::double precision AS age
        FROM (
            SELECT lower(v.email) AS email, v.event_type, v.event_at
            FROM email_events AS v
            WHERE
                substring(lower(v.email) FROM '[^@]*$') = wanted AND v.event_at < moment
                AND v.event_type <> 'soft_bounce'
            ORDER BY v.event_at DESC
            LIMIT 500
        ) AS e
        GROUP BY e.email
    ) AS m
$$;
