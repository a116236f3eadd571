//! What leads from each schema of the state to the next.

/// The first makes a new file. A step that was released is never changed.
pub(super) const STEPS: [&str; 1] = [CREATE];

const CREATE: &str = "
    CREATE TABLE host (
        name TEXT PRIMARY KEY,
        standing TEXT NOT NULL,
        alarm TEXT,
        labels TEXT NOT NULL,
        projects TEXT NOT NULL,
        invited_address TEXT,
        reported_address TEXT,
        signing_key TEXT,
        request_key BLOB,
        chain TEXT,
        agent_version TEXT NOT NULL DEFAULT '',
        counter INTEGER NOT NULL DEFAULT 0,
        last_renewal BLOB,
        reattested INTEGER NOT NULL DEFAULT 0,
        invited_at INTEGER NOT NULL,
        enrolled_at INTEGER,
        certified_at INTEGER,
        certificate_ends_at INTEGER
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE token (
        digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
        host TEXT NOT NULL,
        expires_at INTEGER NOT NULL,
        state TEXT NOT NULL,
        keys BLOB
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX token_host ON token (host);

    CREATE TABLE certificate (
        fingerprint BLOB PRIMARY KEY CHECK (length(fingerprint) = 32),
        peer TEXT NOT NULL,
        ends_at INTEGER NOT NULL,
        revoked INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX certificate_peer ON certificate (peer);

    CREATE TABLE renewal (
        digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
        host TEXT NOT NULL,
        at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX renewal_host ON renewal (host);

    CREATE TABLE gateway (
        name TEXT PRIMARY KEY,
        keys TEXT NOT NULL,
        revoked_at INTEGER
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE generation (
        id INTEGER PRIMARY KEY,
        directory TEXT NOT NULL,
        root BLOB NOT NULL CHECK (length(root) = 32),
        issues_from INTEGER NOT NULL,
        retires_at INTEGER,
        ends_at INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE list (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        version INTEGER NOT NULL,
        content BLOB NOT NULL CHECK (length(content) = 32),
        issued_at INTEGER NOT NULL,
        signed BLOB NOT NULL
    ) STRICT;

    CREATE TABLE event (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        peer TEXT NOT NULL,
        step TEXT NOT NULL,
        by TEXT NOT NULL,
        detail TEXT NOT NULL
    ) STRICT;
";
