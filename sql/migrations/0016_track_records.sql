-- How campaigns fared at a domain: one definition for training, scoring and re-scoring, so that a model meets what
-- it was trained on. Nothing at or after the moment is seen. Of a large domain the newest 1,000 events and 1,000
-- verdicts are read, in training as well. A verdict counts from a fortnight on: by then a campaign would have told
-- that its mailbox is gone.

CREATE FUNCTION domain_track_record(wanted text, moment timestamptz, half_life interval)
RETURNS TABLE (bounced double precision, alive double precision, verified double precision)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        coalesce(sum(power(0.5, m.age)) FILTER (WHERE m.has_bounced), 0),
        coalesce(sum(power(0.5, m.age)) FILTER (WHERE NOT m.has_bounced), 0),
        (
            SELECT coalesce(sum(power(0.5, (extract(EPOCH FROM moment - k.created_at) / extract(EPOCH FROM half_life))::float8)), 0)
            FROM (
                SELECT l.created_at, l.status FROM email_validation AS l WHERE l.domain = wanted LIMIT 1000
            ) AS k
            WHERE k.status <> 'invalid' AND k.created_at < moment - interval '14 days'
        )
    FROM (
        SELECT
            -- Who was alive before it bounced was not dead when it was first written to.
            coalesce(
                min(e.event_at) FILTER (WHERE e.event_type = 'hard_bounce')
                <= coalesce(min(e.event_at) FILTER (WHERE e.event_type <> 'hard_bounce'), 'infinity'), false
            ) AS has_bounced,
            (extract(EPOCH FROM moment - min(e.event_at)) / extract(EPOCH FROM half_life))::float8 AS age
        FROM (
            SELECT lower(v.email) AS email, v.event_type, v.event_at
            FROM email_events AS v
            WHERE v.domain = wanted AND v.event_at < moment
            ORDER BY v.event_at DESC
            LIMIT 1000
        ) AS e
        WHERE e.event_type <> 'soft_bounce'
        GROUP BY e.email
    ) AS m
$$;
