/**
 * The journal's schema, one step for each version; `PRAGMA user_version` counts the steps that were done. A step that was
 * released is never changed.
 */
export const migrations = [
  `
  CREATE TABLE commands (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('taken', 'begun', 'ended', 'sent')),
    -- Milliseconds of the server's clock.
    deadline INTEGER NOT NULL,
    -- The queue's message that brought it: the same one again is a redelivery, another one a replay.
    message TEXT,
    -- The boot in which it was begun.
    boot TEXT,
    -- JSON; nulls once the result was sent: what is left stops replays.
    command TEXT,
    result TEXT,
    -- Byte ranges of the content that are on disk, as JSON.
    content TEXT,
    output_sent INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX owed ON commands (seq) WHERE state <> 'sent';
  CREATE INDEX remembered ON commands (deadline) WHERE state = 'sent';
  CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
  INSERT INTO facts VALUES ('forgotten-until', 0), ('report-sequence', 0);
  `,
  `
  -- 1 when the queue has last answered an empty claim at once instead of waiting.
  INSERT INTO facts VALUES ('queue-paced', 0);
  `,
  `
  -- It is certainly not earlier than this, in milliseconds since 1970.
  INSERT INTO facts VALUES ('clock-floor', 0);
  `,
] as const
