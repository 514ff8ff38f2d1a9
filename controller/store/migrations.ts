import { z } from 'zod'
import { StoreUnusableError } from '../errors.ts'
import type { Database } from './database.ts'

/**
 * The store's versions, oldest first; the database remembers its own in `user_version`. A version that was released is
 * never changed: what is new comes behind it. Moments are milliseconds since 1970; `sealed_` columns hold secrets under
 * the store key.
 */
const migrations: readonly string[] = [
  `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;

  CREATE TABLE clusters (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    deleted_at INTEGER,
    return_queue TEXT NOT NULL,
    lobby_queue TEXT NOT NULL,
    sealed_keys BLOB
  ) STRICT;
  CREATE UNIQUE INDEX clusters_by_name ON clusters (name) WHERE deleted_at IS NULL;

  CREATE TABLE instances (
    id TEXT PRIMARY KEY,
    cluster_id TEXT NOT NULL REFERENCES clusters (id),
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    deleted_at INTEGER,
    forgotten INTEGER NOT NULL DEFAULT 0,
    command_queue TEXT NOT NULL,
    instance_uuid TEXT,
    enrolled_at INTEGER,
    enrolment_allowed INTEGER NOT NULL DEFAULT 0,
    signing_key_id TEXT,
    sealing_key TEXT,
    sealed_report_key BLOB,
    last_seen_at INTEGER,
    report_sequence INTEGER NOT NULL DEFAULT -1,
    agent_version TEXT,
    clock_offset_ms REAL,
    credentials_expire_at INTEGER,
    renew_at INTEGER
  ) STRICT;
  CREATE UNIQUE INDEX instances_by_name ON instances (cluster_id, name) WHERE deleted_at IS NULL;
  CREATE INDEX instances_by_uuid ON instances (cluster_id, instance_uuid) WHERE instance_uuid IS NOT NULL;
  CREATE INDEX instances_by_key ON instances (cluster_id, signing_key_id) WHERE signing_key_id IS NOT NULL;
  CREATE INDEX instances_to_renew ON instances (renew_at) WHERE deleted_at IS NULL AND renew_at IS NOT NULL;

  CREATE TABLE enrolment_secrets (
    sha256 BLOB PRIMARY KEY,
    cluster_id TEXT NOT NULL REFERENCES clusters (id),
    instance_name TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX enrolment_secrets_by_expiry ON enrolment_secrets (expires_at);

  CREATE TABLE alerts (
    id INTEGER PRIMARY KEY,
    instance_id TEXT NOT NULL REFERENCES instances (id),
    at INTEGER NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL
  ) STRICT;
  CREATE INDEX alerts_by_instance ON alerts (instance_id, id);

  CREATE TABLE commands (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    cluster_id TEXT NOT NULL REFERENCES clusters (id),
    instance_id TEXT NOT NULL REFERENCES instances (id),
    hidden INTEGER NOT NULL,
    target_id TEXT,
    shown TEXT NOT NULL,
    sealed_request BLOB,
    sealed_reply_key BLOB,
    state TEXT NOT NULL,
    may_have_left INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    start_by INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    due_at INTEGER,
    posted_at INTEGER,
    accepted_at INTEGER,
    ended_at INTEGER,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    content_sha256 TEXT,
    content_size INTEGER NOT NULL DEFAULT 0,
    content_taken INTEGER NOT NULL DEFAULT 0,
    output_bytes INTEGER NOT NULL DEFAULT 0,
    stdout_bytes INTEGER NOT NULL DEFAULT 0,
    stderr_bytes INTEGER NOT NULL DEFAULT 0,
    content_bytes INTEGER NOT NULL DEFAULT 0,
    waiting_bytes INTEGER NOT NULL DEFAULT 0,
    output_complete INTEGER NOT NULL DEFAULT 0,
    output_settled INTEGER NOT NULL DEFAULT 0,
    output_removed INTEGER NOT NULL DEFAULT 0,
    result TEXT
  ) STRICT;
  CREATE INDEX commands_open ON commands (instance_id, seq) WHERE ended_at IS NULL;
  CREATE INDEX commands_queued ON commands (instance_id, seq) WHERE state = 'queued';
  CREATE INDEX commands_due ON commands (due_at) WHERE due_at IS NOT NULL;
  CREATE INDEX commands_ended ON commands (ended_at) WHERE ended_at IS NOT NULL;
  CREATE INDEX commands_output_removed ON commands (seq) WHERE output_removed = 1;
  CREATE INDEX commands_by_instance ON commands (instance_id, seq);
  CREATE INDEX commands_by_cluster ON commands (cluster_id, seq);
  CREATE INDEX commands_by_target ON commands (target_id) WHERE target_id IS NOT NULL;
  CREATE INDEX commands_by_content ON commands (content_sha256) WHERE content_sha256 IS NOT NULL AND ended_at IS NULL;

  CREATE TABLE output (
    id INTEGER PRIMARY KEY,
    command_seq INTEGER NOT NULL REFERENCES commands (seq) ON DELETE CASCADE,
    offset INTEGER NOT NULL,
    stream TEXT NOT NULL,
    stream_offset INTEGER NOT NULL,
    bytes BLOB NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX output_by_offset ON output (command_seq, offset);
  CREATE INDEX output_by_stream ON output (command_seq, stream, stream_offset);

  CREATE TABLE waiting_output (
    command_seq INTEGER NOT NULL REFERENCES commands (seq) ON DELETE CASCADE,
    offset INTEGER NOT NULL,
    stream TEXT NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (command_seq, offset)
  ) STRICT;

  CREATE TABLE idempotency_keys (
    instance_id TEXT NOT NULL,
    key TEXT NOT NULL,
    body_digest BLOB NOT NULL,
    command_seq INTEGER NOT NULL REFERENCES commands (seq) ON DELETE CASCADE,
    PRIMARY KEY (instance_id, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX idempotency_keys_by_command ON idempotency_keys (command_seq);

  CREATE TABLE contents (
    sha256 TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    used_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE retired_queues (
    name TEXT PRIMARY KEY,
    delete_at INTEGER NOT NULL,
    signed_until INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- The newest line of the instance's audit log that a heartbeat has told of.
  ALTER TABLE instances ADD COLUMN audit_sequence INTEGER;
  ALTER TABLE instances ADD COLUMN audit_hash TEXT;
  `,
  `
  -- Who is told of messages on instances' command queues: the gateways.
  CREATE TABLE subscriptions (
    instance_id TEXT NOT NULL REFERENCES instances (id),
    subscriber TEXT NOT NULL,
    subscription_id TEXT,
    renew_at INTEGER NOT NULL,
    PRIMARY KEY (instance_id, subscriber)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX subscriptions_to_renew ON subscriptions (renew_at);
  `,
  `
  -- One UUID is one instance, however it is spelled. Of several, the one that enrolled first keeps it.
  UPDATE instances SET instance_uuid = lower(instance_uuid) WHERE instance_uuid IS NOT NULL;
  CREATE TEMP TABLE second_uuids AS
    SELECT id FROM (
      SELECT id, row_number() OVER (
        PARTITION BY cluster_id, instance_uuid ORDER BY coalesce(enrolled_at, created_at), created_at, id
      ) AS place
      FROM instances WHERE deleted_at IS NULL AND instance_uuid IS NOT NULL
    ) WHERE place > 1;
  INSERT INTO alerts (instance_id, at, code, message)
    SELECT id, unixepoch() * 1000, 'uuid-taken',
      'it had the UUID of an instance that enrolled before it, so its UUID was taken from it'
    FROM second_uuids;
  UPDATE instances SET instance_uuid = NULL WHERE id IN (SELECT id FROM second_uuids);
  DROP TABLE second_uuids;
  DROP INDEX instances_by_uuid;
  CREATE UNIQUE INDEX instances_by_uuid ON instances (cluster_id, instance_uuid)
    WHERE deleted_at IS NULL AND instance_uuid IS NOT NULL;
  `,
  `
  -- Whether an instance's agent reported it, or the controller saw it itself; of older ones nobody knows, and they stay.
  ALTER TABLE alerts ADD COLUMN reported INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- How many pieces of a command's output wait behind a hole.
  ALTER TABLE commands ADD COLUMN waiting_pieces INTEGER NOT NULL DEFAULT 0;
  UPDATE commands SET waiting_pieces =
    (SELECT count(*) FROM waiting_output WHERE command_seq = commands.seq) WHERE waiting_bytes > 0;
  `,
  `
  -- Which of an agent's alerts have come: they may come out of order, and each counts once.
  CREATE TABLE alerts_taken (
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (instance_id, sequence)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- Whether who shows this secret must show the challenge in its Nova server's metadata as well.
  ALTER TABLE enrolment_secrets ADD COLUMN needs_challenge INTEGER NOT NULL DEFAULT 0;
  `,
]

const Version = z.object({ user_version: z.int() })

/**
 * Brings the database to this program's version, each step in a transaction of its own.
 *
 * @param upTo an earlier version to stop at.
 * @returns whether it was empty before.
 * @throws {StoreUnusableError} it is of a newer version.
 */
export function migrate(database: Database, upTo = migrations.length): boolean {
  const found = database.get(Version, 'PRAGMA user_version')?.user_version ?? 0
  if (found > migrations.length) {
    throw new StoreUnusableError(
      `the store has version ${found}, this program knows ${migrations.length}; upgrade the program`,
    )
  }
  for (const [index, step] of migrations.slice(0, upTo).entries()) {
    if (index < found) continue
    database.script(`BEGIN; ${step}; PRAGMA user_version = ${index + 1}; COMMIT;`)
  }
  return found === 0
}
