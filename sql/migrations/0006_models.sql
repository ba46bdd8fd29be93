-- Models that were trained here or brought here; at most one is applied.

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
