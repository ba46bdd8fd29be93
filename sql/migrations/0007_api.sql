-- Who may use the HTTP API, and what was answered under an Idempotency-Key.

CREATE TABLE api_keys (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client        text NOT NULL REFERENCES clients (name),
    label         text NOT NULL DEFAULT '' CHECK (length(label) <= 100),
    prefix        text NOT NULL,            -- what people tell keys apart by: the beginning of the text
    digest        bytea NOT NULL UNIQUE CHECK (length(digest) = 32),   -- SHA-256 of the whole text
    scopes        text[] NOT NULL CHECK (
        cardinality(scopes) > 0 AND scopes <@ ARRAY['submit', 'read', 'events', 'admin']
    ),
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz,              -- NULL: never
    revoked_at    timestamptz,
    replaced_by   bigint UNIQUE REFERENCES api_keys (id),   -- its successor: a key is rotated once
    last_used_at  timestamptz               -- to the minute
);
CREATE INDEX api_keys_client ON api_keys (client);
COMMENT ON TABLE api_keys IS 'Keys of the HTTP API. The text is shown once and kept nowhere.';

CREATE TABLE idempotency_keys (
    client       text NOT NULL REFERENCES clients (name),
    key          text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    fingerprint  bytea NOT NULL,            -- of method, path, query and body: another one is another request
    submission   text NOT NULL DEFAULT '',  -- the name the first try gave: a repeat takes the same one up
    http_status  smallint,                  -- NULL: not answered yet
    body         bytea,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (client, key),
    CHECK ((http_status IS NULL) = (body IS NULL))
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
