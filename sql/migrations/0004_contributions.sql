-- The ledger keeps findings; a client's label is made where results are read. What a confidence is made of
-- stands beside it, and counts are kept by all that a policy looks at.

ALTER TABLE requests
    ADD COLUMN contributions jsonb,  -- [[name, points], …], adding up to the confidence
    ADD COLUMN score_facts jsonb;    -- what they were counted from; NULL: written by an older version

ALTER TABLE email_validation
    ADD COLUMN contributions jsonb,
    ADD COLUMN score_facts jsonb;

-- What a policy made of a finding is undone: the main reason says which status it had.
CREATE FUNCTION pg_temp.status_before_policy(reason text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN reason IN ('accepted', 'forwarded', 'recipient_rate_limited') THEN 'valid'
        WHEN reason = 'accept_all' THEN 'accept_all'
        WHEN reason IN ('mailbox_full', 'disposable', 'hard_bounce', 'low_deliverability', 'low_quality') THEN 'risky'
        ELSE 'unknown'
    END
$$;
CREATE FUNCTION pg_temp.reasons_before_policy(reasons jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_agg(e.name ORDER BY e.place), '[]'::jsonb)
    FROM jsonb_array_elements_text(reasons) WITH ORDINALITY AS e (name, place)
    WHERE e.name NOT LIKE 'policy:%'
$$;
UPDATE requests AS r
SET status = pg_temp.status_before_policy(r.reason), reasons = pg_temp.reasons_before_policy(r.reasons)
WHERE r.state = 'done' AND r.reasons::text LIKE '%"policy:%';
UPDATE email_validation AS v
SET status = pg_temp.status_before_policy(v.reason), reasons = pg_temp.reasons_before_policy(v.reasons)
WHERE v.reasons::text LIKE '%"policy:%';

DROP TABLE submission_counts;
CREATE TABLE submission_counts (
    submission_id   bigint NOT NULL REFERENCES submissions (id) ON DELETE CASCADE,
    status          text NOT NULL,
    reason          text NOT NULL,
    confidence      smallint NOT NULL CHECK (confidence BETWEEN 0 AND 100),
    is_disposable   boolean NOT NULL,
    is_role         boolean NOT NULL,
    is_free         boolean NOT NULL,
    requests        bigint NOT NULL CHECK (requests >= 0),
    PRIMARY KEY (submission_id, status, reason, confidence, is_disposable, is_role, is_free)
);
COMMENT ON TABLE submission_counts IS
'Finished requests by all that a policy looks at, kept while they finish: neither progress nor a change of policy reads a million rows.';
INSERT INTO submission_counts (submission_id, status, reason, confidence, is_disposable, is_role, is_free, requests)
SELECT r.submission_id, r.status, r.reason, r.confidence, r.is_disposable, r.is_role, r.is_free, count(*)
FROM requests AS r
WHERE r.state = 'done'
GROUP BY r.submission_id, r.status, r.reason, r.confidence, r.is_disposable, r.is_role, r.is_free;
