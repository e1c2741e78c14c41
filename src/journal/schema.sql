-- Version 1 of the journal. Times are milliseconds since 1970, UTC. Digests are BLAKE3, cut short.
-- No message text and no key is ever stored here.

-- Whose journal this is: one row.
CREATE TABLE identity (
    only_row   INTEGER PRIMARY KEY CHECK (only_row = 1),
    target     TEXT NOT NULL,      -- the target's normalised address
    source     TEXT NOT NULL,      -- the source's name; '' when nothing was read from an archive
    created_at INTEGER NOT NULL
) STRICT;

-- Every run that wrote here.
CREATE TABLE runs (
    id         INTEGER PRIMARY KEY,
    command    TEXT NOT NULL,      -- what was asked for, without secrets
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,            -- NULL: running, or killed
    ending     TEXT,               -- finished, interrupted, or the error that stopped it
    summary    TEXT                -- the sums, as JSON
) STRICT;

-- Names that many rows share.
CREATE TABLE files (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- One row for each record that was taken up.
CREATE TABLE records (
    id           INTEGER PRIMARY KEY,
    source       TEXT NOT NULL,
    original     TEXT NOT NULL,    -- the old system's id
    file         INTEGER NOT NULL REFERENCES files (id),
    place_kind   TEXT NOT NULL CHECK (place_kind IN ('whole', 'line', 'byte')),
    place        INTEGER NOT NULL,
    rules        TEXT NOT NULL,    -- the mapping's rules that fired, one a line
    mapping      BLOB,             -- hash of the mapping's text, 16 bytes
    state        TEXT NOT NULL CHECK (state IN ('open', 'done', 'skipped', 'rejected', 'dead')),
    reason       TEXT,             -- why it is skipped, rejected or dead
    conversation INTEGER,          -- FreeScout's id
    number       INTEGER,          -- FreeScout's number
    mailbox      INTEGER,          -- key for look-up: mailbox, opening time in seconds, digest of what was sent
    opened_at    INTEGER,
    key_digest   BLOB,
    digests      BLOB,             -- 8 bytes each: see `ConversationDigests`
    attempts     INTEGER NOT NULL DEFAULT 0,
    sweep_after  INTEGER,          -- look for late copies, not before this time; NULL: nothing to look for
    run          INTEGER REFERENCES runs (id),
    admitted_at  INTEGER NOT NULL,
    settled_at   INTEGER,
    UNIQUE (source, original)
) STRICT;
CREATE INDEX records_by_conversation ON records (conversation) WHERE conversation IS NOT NULL;
CREATE INDEX records_not_done ON records (state) WHERE state <> 'done';
CREATE INDEX records_to_sweep ON records (sweep_after) WHERE sweep_after IS NOT NULL;

-- One row for each request that changes something in FreeScout for a record.
CREATE TABLE steps (
    id         INTEGER PRIMARY KEY,
    record     INTEGER NOT NULL REFERENCES records (id),
    kind       TEXT NOT NULL CHECK (kind IN ('create', 'append', 'owner', 'tags', 'fields', 'delete')),
    ordinal    INTEGER NOT NULL,   -- from 0 within its kind
    state      TEXT NOT NULL CHECK (state IN ('planned', 'in flight', 'unknown', 'done', 'refused')),
    digest     BLOB NOT NULL,      -- of the request, 16 bytes
    sent_at    INTEGER,
    settled_at INTEGER,
    remote     INTEGER,            -- FreeScout's id of what was made
    error      TEXT,
    UNIQUE (record, kind, ordinal)
) STRICT;
CREATE INDEX steps_open ON steps (record) WHERE state IN ('in flight', 'unknown');

-- One row for each thread that was sent or is about to be.
CREATE TABLE threads (
    record   INTEGER NOT NULL REFERENCES records (id),
    ordinal  INTEGER NOT NULL,     -- 0 is the oldest
    entry    TEXT NOT NULL,        -- the entry's own id in the archive
    kind     TEXT NOT NULL,
    remote   INTEGER,              -- FreeScout's id
    sent_at  INTEGER,
    digests  BLOB NOT NULL,        -- 8 bytes each: see `ThreadDigests`
    PRIMARY KEY (record, ordinal)
) STRICT, WITHOUT ROWID;

-- One row for each attachment of those threads.
CREATE TABLE attachments (
    record  INTEGER NOT NULL REFERENCES records (id),
    thread  INTEGER NOT NULL,      -- the thread's ordinal
    ordinal INTEGER NOT NULL,
    name    TEXT NOT NULL,
    size    INTEGER NOT NULL,      -- bytes, before base64
    hash    BLOB,                  -- of the bytes that were sent, 16 bytes; NULL: not sent to the end, or only a link
    remote  INTEGER,               -- FreeScout's id
    PRIMARY KEY (record, thread, ordinal)
) STRICT, WITHOUT ROWID;

-- One row for each person who was looked for in FreeScout.
CREATE TABLE people (
    key         TEXT PRIMARY KEY,  -- the main address, in lower case
    customer    INTEGER,           -- FreeScout's id; NULL: asked for, and never answered
    is_ours     INTEGER NOT NULL,  -- 1: made by this journal's runs
    asked_at    INTEGER NOT NULL,
    resolved_at INTEGER
) STRICT, WITHOUT ROWID;

-- What was noticed: counts by code, and a few samples of each.
CREATE TABLE findings (
    run      INTEGER NOT NULL REFERENCES runs (id),
    code     TEXT NOT NULL,
    severity TEXT NOT NULL,
    count    INTEGER NOT NULL,
    PRIMARY KEY (run, code)
) STRICT, WITHOUT ROWID;
CREATE TABLE samples (
    id      INTEGER PRIMARY KEY,
    run     INTEGER NOT NULL REFERENCES runs (id),
    code    TEXT NOT NULL,
    record  TEXT,
    origin  TEXT,
    field   TEXT,
    message TEXT NOT NULL
) STRICT;
CREATE INDEX samples_by_code ON samples (run, code);
