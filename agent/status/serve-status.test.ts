import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fakeWorld } from '../../test/fake-world.ts'
import { AgentNotRunningError } from '../errors.ts'
import { createAgentMetrics } from '../metrics/agent-metrics.ts'
import { askMetrics, askStatus } from './ask-status.ts'
import { serveStatus } from './serve-status.ts'
import { createStatusBoard } from './status-board.ts'

let directory: string
let socketPath: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sahara-status-'))
  socketPath = join(directory, 'agent.sock')
})
afterEach(() => rmSync(directory, { recursive: true }))

describe('the socket of a running agent', () => {
  test('tells the status and the metrics, to this user only', async () => {
    const { read: status } = createStatusBoard(directory, fakeWorld())
    const metrics = createAgentMetrics(status)
    metrics.noteTaken('exec')
    metrics.noteEnded('succeeded')
    metrics.noteRequest('claim', 'ok', 30)
    await using _ = await serveStatus(socketPath, { status, metrics: metrics.render })
    expect(statSync(socketPath).mode & 0o777).toBe(0o600)
    expect(await askStatus(socketPath)).toEqual(status())
    const text = await askMetrics(socketPath)
    for (const line of [
      /^sahara_agent_info\{version=".*",phase="enrolling"\} 1$/m,
      /^sahara_agent_start_time_seconds 1893456000$/m,
      /^sahara_agent_commands_taken_total\{operation="exec"\} 1$/m,
      /^sahara_agent_commands_ended_total\{state="succeeded"\} 1$/m,
      /^sahara_agent_queue_requests_total\{action="claim",outcome="ok"\} 1$/m,
      /^sahara_agent_queue_request_seconds_bucket\{action="claim",le="30"\} 1$/m,
      /^sahara_agent_credentials_expiry_timestamp_seconds NaN$/m,
      /^process_resident_memory_bytes \d+$/m,
    ]) {
      expect(text).toMatch(line)
    }
  })

  test('survives a client that speaks no HTTP', async () => {
    const { read: status } = createStatusBoard(directory, fakeWorld())
    await using _ = await serveStatus(socketPath, { status, metrics: () => '' })
    const client = createConnection(socketPath)
    client.on('error', () => undefined)
    client.end('what?\r\n\r\n')
    client.resume()
    await once(client, 'close')
    expect((await askStatus(socketPath)).phase).toBe('enrolling')
  })

  test.skipIf(process.geteuid?.() !== 0)('says that another user must become root', async () => {
    const { read: status } = createStatusBoard(directory, fakeWorld())
    await using _ = await serveStatus(socketPath, { status, metrics: () => '' })
    process.seteuid?.(65_534)
    try {
      await expect(askStatus(socketPath)).rejects.toThrow(/agent’s user only; run this as root/)
    } finally {
      process.seteuid?.(0)
    }
  })

  test('that is not there, or another program’s, is no running agent', async () => {
    await expect(askStatus(socketPath)).rejects.toThrow(AgentNotRunningError)
    const other = createServer((socket) => void socket.end('hello\n')).listen(socketPath)
    await once(other, 'listening')
    await expect(askStatus(socketPath)).rejects.toThrow(AgentNotRunningError)
    other.close()
  })
})
