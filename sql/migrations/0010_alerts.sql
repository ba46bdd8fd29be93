-- What needs a person, since when, and whether it was told.

CREATE TABLE alerts (
    node        text NOT NULL CHECK (length(node) BETWEEN 1 AND 100),
    name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    severity    text NOT NULL CHECK (severity IN ('warning', 'critical')),
    summary     text NOT NULL,
    value       double precision NOT NULL,
    since       timestamptz NOT NULL DEFAULT now(),
    told_at     timestamptz,               -- when a message about it was last written; NULL: not yet
    cleared_at  timestamptz,               -- NULL: it still holds
    PRIMARY KEY (node, name)
);
COMMENT ON TABLE alerts IS 'One row per node and alert: what holds, and what held last; so a restart tells nothing twice.';
