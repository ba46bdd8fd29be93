-- Submissions that rest, or were called off. Their requests follow in steps, so that a million of them lock nothing.

ALTER TABLE submissions
    ADD COLUMN state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'cancelled')),
    ADD COLUMN state_since timestamptz,
    ADD COLUMN moved_to integer CHECK (moved_to >= 0);   -- the first place whose request does not follow yet; NULL: all do
CREATE INDEX submissions_moving ON submissions (id) WHERE moved_to IS NOT NULL;

-- A paused request keeps its due time, so that its schedule goes on where it was.
ALTER TABLE requests
    DROP CONSTRAINT requests_state_check,
    ADD CONSTRAINT requests_state_check CHECK (state IN ('queued', 'paused', 'handed_over', 'done')),
    DROP CONSTRAINT requests_check2,
    ADD CONSTRAINT requests_due_check CHECK ((state IN ('queued', 'paused')) = (due_at IS NOT NULL));
