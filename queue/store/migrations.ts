/**
 * The schema, one step per version: step N brings a database from `user_version` N to N + 1. A step
 * that was released is never changed. All moments are milliseconds since 1970.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- AUTOINCREMENT: the key of a deleted or purged queue must never name another one.
  CREATE TABLE queues (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    metadata TEXT NOT NULL,
    UNIQUE (project, name)
  ) STRICT;

  -- Queues that were deleted or purged; their messages and claims are removed a few at a time.
  CREATE TABLE retired_queues (
    key INTEGER PRIMARY KEY
  ) STRICT;

  CREATE TABLE messages (
    key INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    id TEXT NOT NULL,
    client TEXT NOT NULL,
    ttl_seconds INTEGER NOT NULL,
    posted_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    delayed_until INTEGER,
    claim INTEGER,
    claim_count INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  -- Apart from the messages: a claim rewrites the row of its message, and must not rewrite the body.
  CREATE TABLE bodies (
    message INTEGER PRIMARY KEY,
    body TEXT NOT NULL
  ) STRICT;

  CREATE UNIQUE INDEX messages_in_order ON messages (queue, id);
  -- A claim reads the head of this index: claimed and delayed messages are not in it, ended ones are
  -- passed over without a look at their rows.
  CREATE INDEX free_messages ON messages (queue, key, ends_at)
    WHERE claim IS NULL AND delayed_until IS NULL;
  CREATE INDEX claimed_messages ON messages (claim) WHERE claim IS NOT NULL;
  CREATE INDEX delayed_messages ON messages (delayed_until, queue) WHERE delayed_until IS NOT NULL;
  CREATE INDEX ending_messages ON messages (ends_at);

  CREATE TABLE claims (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    queue INTEGER NOT NULL,
    id TEXT NOT NULL,
    ttl_seconds INTEGER NOT NULL,
    renewed_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    UNIQUE (queue, id)
  ) STRICT;
  CREATE INDEX ending_claims ON claims (ends_at);
  `,
]
