import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { generatePrivateKey, importKey } from '../../protocol/sealing/keys.ts'
import { kindsIn } from '../system/read-passing.ts'
import { waitFor } from '../system/wait-for.ts'
import { bigPiece } from './fake-operations.ts'
import type { Sent } from './small-controller.ts'
import { setStage } from './stage.ts'

const run = promisify(execFile)
const print = (text: string) => ({ name: 'exec', argv: ['print', text] })
const enrolled = async (stage: Awaited<ReturnType<typeof setStage>>) =>
  stage.controller.until(
    () => stage.controller.reports.some(({ kind }) => kind === 'heartbeat'),
    'a heartbeat',
  )
const alertOf = async (stage: Awaited<ReturnType<typeof setStage>>, code: string) =>
  stage.controller.until(
    () => stage.controller.reports.find((one) => one.kind === 'alert' && one.code === code),
    `an alert ${code}`,
  )

/** So large that few such commands fit into a journal of 64 KiB. */
const filler = { FILLER: 'x'.repeat(20_000) }
/** Sends commands that run on until the journal takes no more of them; those that it took. */
const fillJournal = async ({ controller }: Awaited<ReturnType<typeof setStage>>) => {
  const operation = { name: 'exec', argv: ['hold', ''], env: filler }
  for (const filling: Sent[] = []; ; ) {
    const sent = await controller.send(operation)
    const reply = await controller.until(() => sent.replies.at(0), 'an answer')
    if (reply.kind === 'result') return filling
    filling.push(sent)
  }
}

/** A policy that looks for programs on the disk. */
const noDd =
  'version: 1\npreset: sahara\nrules:\n  - {name: no-dd, refuse: exec, argv: [[/usr/bin/dd, "**"]]}\n'
const writePolicy = async ({ directory }: Awaited<ReturnType<typeof setStage>>) => {
  const policyPath = join(directory, 'policy.yaml')
  await writeFile(policyPath, noDd, { mode: 0o600 })
  return { policyPath }
}

describe('an agent that has enrolled', () => {
  test('runs a command, sends its output and its result, and leaves nothing behind', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    stage.startAgent()
    await enrolled(stage)
    const sent = await controller.send(print('hello'))
    expect(await controller.result(sent)).toMatchObject({ state: 'succeeded', exitCode: 0 })
    expect(controller.output(sent).toString()).toBe('hello')
    expect(operations.begun.get(sent.command.id)).toBe(1)
    await waitFor('an empty command queue', async () => (await controller.queued()) === 0)
  })

  test('says that a command which runs on was accepted', async () => {
    await using stage = await setStage()
    const { controller } = stage
    stage.startAgent()
    await enrolled(stage)
    const sent = await controller.send({ name: 'exec', argv: ['hold', 'so far'] })
    await controller.until(() => sent.replies.some(({ kind }) => kind === 'accepted'), 'accepted')
    await controller.until(() => controller.output(sent).toString() === 'so far', 'its output')
    stage.operations.release(sent.command.id)
    expect((await controller.result(sent)).state).toBe('succeeded')
  })

  test('answers many commands at once, each exactly once', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    stage.startAgent()
    await enrolled(stage)
    const all = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => controller.send(print(`no ${index}`))),
    )
    for (const [index, sent] of all.entries()) {
      expect((await controller.result(sent)).state).toBe('succeeded')
      expect(controller.output(sent).toString()).toBe(`no ${index}`)
      expect(operations.begun.get(sent.command.id)).toBe(1)
    }
  })

  test('sends a large output whole and in order', async () => {
    await using stage = await setStage()
    const { controller } = stage
    stage.startAgent()
    await enrolled(stage)
    const sizeBytes = 5_000_000
    const sent = await controller.send({ name: 'exec', argv: ['big', String(sizeBytes)] })
    await controller.result(sent)
    expect(controller.output(sent).equals(bigPiece(0, sizeBytes))).toBe(true)
  })

  test('keeps the order of a lane, and lets other lanes pass', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    stage.startAgent()
    await enrolled(stage)
    const first = await controller.send({ name: 'exec', argv: ['hold', ''] }, { lane: 'a' })
    const second = await controller.send(print('second'), { lane: 'a' })
    const other = await controller.send(print('other'), { lane: 'b' })
    await controller.result(other)
    expect(operations.begun.has(second.command.id)).toBe(false)
    operations.release(first.command.id)
    await controller.result(second)
  })

  test('runs a command once that the queue holds twice', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    stage.startAgent()
    await enrolled(stage)
    const sent = await controller.send(print('once'))
    await controller.result(sent)
    await controller.post(sent.command)
    await alertOf(stage, 'replayed')
    expect(operations.begun.get(sent.command.id)).toBe(1)
    await waitFor('an empty command queue', async () => (await controller.queued()) === 0)
  })

  test.for([
    ['refused', 'unknown-operation', { name: 'fly' }, {}],
    ['refused', 'operation-malformed', { name: 'exec', argv: [] }, {}],
    ['expired', 'expired', print('late'), { startBy: '2020-01-01T00:00:00.000Z' }],
  ] as const)('answers %s (%s) to %j', async ([state, code, operation, differences]) => {
    await using stage = await setStage()
    const { controller, operations } = stage
    stage.startAgent()
    await enrolled(stage)
    const result = await controller.result(await controller.send(operation, differences))
    expect(result).toMatchObject({ state, reason: { code } })
    expect(operations.begun.size).toBe(0)
  })

  test.for([
    ['other-instance', { instance: crypto.randomUUID() }],
    ['other-cluster', { cluster: crypto.randomUUID() }],
    ['too-late', { deadline: '2020-01-01T00:00:00.000Z' }],
    ['other-version', { v: 2 }],
  ] as const)('drops a command for %s, and raises an alert', async ([reason, differences]) => {
    await using stage = await setStage()
    const { controller, operations } = stage
    stage.startAgent()
    await enrolled(stage)
    await controller.send(print('never'), differences)
    await alertOf(stage, reason)
    expect(operations.begun.size).toBe(0)
    await waitFor('an empty command queue', async () => (await controller.queued()) === 0)
  })

  test('drops a command that was held back, though the queue’s clock is turned back', async () => {
    await using stage = await setStage()
    const { controller, operations, world } = stage
    stage.startAgent()
    await enrolled(stage)
    const heldBack = controller.command(print('late'))
    world.shift(3 * 3_600_000)
    const sent = await controller.send(print('in time'))
    expect((await controller.result(sent)).state).toBe('succeeded')
    world.shift(-3 * 3_600_000)
    await controller.post(heldBack)
    await alertOf(stage, 'too-late')
    expect([...operations.begun.keys()]).toEqual([sent.command.id])
  })

  test('drops forged, damaged and foreign messages, and goes on', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    stage.startAgent()
    await enrolled(stage)
    const thief = await importKey(await generatePrivateKey('Ed25519'))
    await controller.post(controller.command(print('forged')), { cluster: thief })
    const { v, sealed } = await controller.seal(controller.command(print('damaged')))
    await controller.postRaw([
      { v, sealed: `${sealed.slice(0, -30)}${'A'.repeat(30)}` },
      { v, sealed: sealed.slice(0, 200) },
      { v: 99, sealed },
      null,
      'text',
      { v: 1, sealed: 42 },
    ])
    const sent = await controller.send(print('good'))
    expect((await controller.result(sent)).state).toBe('succeeded')
    for (const code of ['seal-broken', 'other-version', 'malformed']) await alertOf(stage, code)
    expect(operations.begun.size).toBe(1)
    await waitFor('an empty command queue', async () => (await controller.queued()) === 0)
  })

  test('answers no-such-command to a cancel of what has ended, and expired where nothing came in time', async () => {
    await using stage = await setStage()
    const { controller } = stage
    stage.startAgent()
    await enrolled(stage)
    const ended = await controller.send(print('done'))
    await controller.result(ended)
    const tooLate = await controller.send({ name: 'cancel', target: ended.command.id })
    expect(await controller.result(tooLate)).toMatchObject({
      state: 'failed',
      reason: { code: 'no-such-command' },
    })
    const startBy = new Date(Date.now() + 1500).toISOString()
    const inVain = { name: 'cancel', target: crypto.randomUUID() }
    expect(await controller.result(await controller.send(inVain, { startBy }))).toMatchObject({
      state: 'expired',
      reason: { code: 'expired' },
    })
  })

  test('answers a command whose program’s name is too long for a path, and those beside it', async () => {
    await using stage = await setStage()
    const { controller } = stage
    stage.startAgent(await writePolicy(stage))
    await enrolled(stage)
    const long = await controller.send({ name: 'exec', argv: ['x'.repeat(300)] })
    const ping = await controller.send({ name: 'ping' })
    expect((await controller.result(ping)).state).toBe('succeeded')
    expect((await controller.result(long)).state).toBe('succeeded')
  })

  test('answers a command whose program has become a loop of links while it waited', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    stage.startAgent(await writePolicy(stage))
    await enrolled(stage)
    const program = join(stage.directory, 'program')
    await writeFile(program, '#!/bin/sh\n', { mode: 0o755 })
    const first = await controller.send({ name: 'exec', argv: ['hold', ''] }, { lane: 'a' })
    const second = await controller.send({ name: 'exec', argv: [program] }, { lane: 'a' })
    await controller.until(() => second.replies.some(({ kind }) => kind === 'accepted'), 'accepted')
    await rm(program)
    await symlink(program, program)
    operations.release(first.command.id)
    expect((await controller.result(second)).state).toMatch(/^(succeeded|failed)$/)
  })

  test('refuses a command with a key of any length, and takes those beside it', async () => {
    await using stage = await setStage()
    const { controller } = stage
    const agent = stage.startAgent()
    await enrolled(stage)
    await agent.stop()
    const env = { [`${'k'.repeat(5000)}!`]: 'v' }
    const malformed = await controller.send({ ...print('x'), env })
    const beside = await controller.send(print('y'))
    stage.startAgent()
    expect((await controller.result(beside)).state).toBe('succeeded')
    expect(await controller.result(malformed)).toMatchObject({
      state: 'refused',
      reason: { code: 'operation-malformed' },
    })
  })

  test('posts the result of a short command beside as many long ones as may run', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    stage.startAgent({ lanes: { concurrency: 64 } })
    await enrolled(stage)
    const hold = async () => controller.send({ name: 'exec', argv: ['hold', 'x'] })
    await Promise.all(Array.from({ length: 32 }, hold))
    await waitFor('all to run', () => operations.begun.size === 32)
    expect((await controller.result(await controller.send(print('short')))).state).toBe('succeeded')
  })

  test('cancels a command that comes behind its cancel, also after a restart in between', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    const agent = stage.startAgent()
    await enrolled(stage)
    const [early, later] = [controller.command(print('early')), controller.command(print('later'))]
    const cancels = await Promise.all(
      [early, later].map(async ({ id }) => await controller.send({ name: 'cancel', target: id })),
    )
    await waitFor('the cancels to be taken', async () => (await controller.queued()) === 0)
    expect((await controller.result(await controller.post(early))).state).toBe('cancelled')
    await agent.stop()
    stage.startAgent()
    expect((await controller.result(await controller.post(later))).state).toBe('cancelled')
    for (const cancel of cancels) expect((await controller.result(cancel)).state).toBe('succeeded')
    expect(operations.begun.size).toBe(0)
  })

  test('cancels a command that was begun before a restart and is found again after its cancel', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    const agent = stage.startAgent()
    await enrolled(stage)
    const runs = await controller.send({ name: 'exec', argv: ['hold', ''] })
    await controller.until(() => runs.replies.some(({ kind }) => kind === 'accepted'), 'accepted')
    await agent.stop()
    const found = Promise.withResolvers<void>()
    operations.delayResume(found.promise)
    stage.startAgent()
    const cancel = await controller.send({ name: 'cancel', target: runs.command.id })
    await waitFor('the cancel to be taken', async () => (await controller.queued()) === 0)
    found.resolve()
    expect((await controller.result(runs)).state).toBe('cancelled')
    expect((await controller.result(cancel)).state).toBe('succeeded')
    expect(operations.begun.get(runs.command.id)).toBe(1)
  })

  test('cancels a command that runs, and one that waits for its lane', async () => {
    await using stage = await setStage()
    const { controller } = stage
    stage.startAgent()
    await enrolled(stage)
    const runs = await controller.send({ name: 'exec', argv: ['hold', ''] }, { lane: 'a' })
    const waits = await controller.send(print('never'), { lane: 'a' })
    const cancel = async (target: string) =>
      controller.result(await controller.send({ name: 'cancel', target }))
    expect((await cancel(waits.command.id)).state).toBe('succeeded')
    expect((await controller.result(waits)).state).toBe('cancelled')
    expect((await cancel(runs.command.id)).state).toBe('succeeded')
    expect((await controller.result(runs)).state).toBe('cancelled')
  })

  test('feeds standard input in order, and names a hole', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    stage.startAgent()
    await enrolled(stage)
    const { command } = await controller.send({
      name: 'exec',
      argv: ['hold', ''],
      stdin: 'open',
    })
    const feed = async (offset: number, text: string) => {
      const bytes = Buffer.from(text).toString('base64url')
      return await controller.result(
        await controller.send({ name: 'stdin', target: command.id, offset, bytes }),
      )
    }
    expect((await feed(0, 'ab')).state).toBe('succeeded')
    expect((await feed(2, 'cd')).state).toBe('succeeded')
    expect(await feed(9, 'x')).toMatchObject({
      state: 'failed',
      reason: { code: 'stdin-hole' },
      answer: { nextOffset: 4 },
    })
    expect(operations.stdinOf(command.id)).toBe('abcd')
    operations.release(command.id)
  })

  test('tells its facts', async () => {
    await using stage = await setStage()
    stage.startAgent()
    await enrolled(stage)
    const { answer } = await stage.controller.result(await stage.controller.send({ name: 'ping' }))
    expect(answer).toMatchObject({ agentVersion: expect.any(String), running: [] })
  })

  test('expires a command whose turn does not come in time', async () => {
    await using stage = await setStage()
    const { controller, world } = stage
    stage.startAgent()
    await enrolled(stage)
    const first = await controller.send({ name: 'exec', argv: ['hold', ''] }, { lane: 'a' })
    const second = await controller.send(print('never'), { lane: 'a' })
    await controller.until(
      () => second.replies.some(({ kind }) => kind === 'accepted'),
      'the second is accepted',
    )
    world.shift(3_601_000)
    expect((await controller.result(second)).state).toBe('expired')
    stage.operations.release(first.command.id)
    expect((await controller.result(first)).state).toBe('succeeded')
  })

  test('writes no argument, environment value or secret into its log', async () => {
    await using stage = await setStage()
    const { controller } = stage
    stage.startAgent()
    await enrolled(stage)
    const env = { TOKEN: 'env-secret' }
    const operation = { name: 'exec', argv: ['print', 'argv-secret'], env }
    await controller.result(await controller.send(operation))
    const { claim } = await controller.credentials()
    const log = stage.logged.join('\n')
    expect(log).not.toMatch(/argv-secret|env-secret/)
    expect(log).not.toContain(claim.signature)
  })
})

describe('content of a command', () => {
  const content = Buffer.from('0123456789'.repeat(100))
  const promise = {
    size: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
  }
  const write = { name: 'write', path: '/tmp/never' }

  test('comes in chunks out of order and twice; the command begins when it is whole', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    stage.startAgent()
    await enrolled(stage)
    const sent = await controller.send(write, { content: promise })
    for (const [start, end] of [
      [500, 1000],
      [0, 300],
      [0, 300],
      [200, 600],
    ] as const) {
      expect(operations.begun.size).toBe(0)
      await controller.sendInput(sent, start, content.subarray(start, end))
    }
    expect((await controller.result(sent)).state).toBe('succeeded')
    expect(sent.replies.some(({ kind }) => kind === 'progress')).toBe(true)
    expect(operations.started[0]?.contentPath).toMatch(/content$/)
    await waitFor('an empty command queue', async () => (await controller.queued()) === 0)
  })

  test('with the wrong digest fails its command', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    stage.startAgent()
    await enrolled(stage)
    const sent = await controller.send(write, { content: promise })
    await controller.sendInput(sent, 0, Buffer.alloc(content.length))
    expect(await controller.result(sent)).toMatchObject({
      state: 'failed',
      reason: { code: 'content-digest' },
    })
    expect(operations.begun.size).toBe(0)
  })

  test('with a hole fails its command, and says how far it came', async () => {
    await using stage = await setStage()
    const { controller, world } = stage
    stage.startAgent()
    await enrolled(stage)
    const sent = await controller.send(write, { content: promise })
    await controller.sendInput(sent, 0, content.subarray(0, 10))
    await controller.sendInput(sent, 500, content.subarray(500))
    await controller.until(() => sent.replies.some(({ kind }) => kind === 'progress'), 'progress')
    world.shift(3_601_000)
    const result = await controller.result(sent)
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'content-incomplete' } })
    expect(result.reason?.message).toContain('10 of 1000 bytes')
  })

  test('goes on where it was when the agent is killed', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    const agent = stage.startAgent()
    await enrolled(stage)
    const sent = await controller.send(write, { content: promise })
    await controller.sendInput(sent, 0, content.subarray(0, 700))
    await controller.until(() => sent.replies.some(({ kind }) => kind === 'progress'), 'progress')
    await waitFor('the chunk is acknowledged', async () => (await controller.queued()) === 0)
    await agent.kill()
    stage.startAgent()
    await controller.sendInput(sent, 700, content.subarray(700))
    expect((await controller.result(sent)).state).toBe('succeeded')
    expect(operations.started).toHaveLength(1)
  })

  test('of an ended command is thrown away', async () => {
    await using stage = await setStage()
    const { controller } = stage
    stage.startAgent()
    await enrolled(stage)
    const sent = await controller.send(print('done'))
    await controller.result(sent)
    await controller.sendInput(sent, 0, content)
    await waitFor('an empty command queue', async () => (await controller.queued()) === 0)
  })
})

describe('the state directory', () => {
  test('serves one agent at a time', async () => {
    await using stage = await setStage()
    stage.startAgent()
    await enrolled(stage)
    await expect(stage.startAgent().ended).rejects.toMatchObject({ code: 'ERR_STATE_LOCKED' })
  })

  test('keeps its secrets from others', async () => {
    await using stage = await setStage()
    stage.startAgent()
    await enrolled(stage)
    const { stat } = await import('node:fs/promises')
    for (const name of ['identity.json', 'credentials.json', 'agent.db', 'agent.sock']) {
      expect((await stat(`${stage.stateDirectory}/${name}`)).mode & 0o077).toBe(0)
    }
    expect((await stat(stage.stateDirectory)).mode & 0o777).toBe(0o700)
    expect(await readFile(`${stage.stateDirectory}/credentials.json`, 'utf8')).toContain('claim')
  })

  test('that is full keeps nobody from cancelling what fills it', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    const agent = stage.startAgent()
    await enrolled(stage)
    const sent = await controller.send({ name: 'exec', argv: ['hold', ''] })
    await waitFor('it to run', async () => operations.begun.has(sent.command.id))
    await agent.kill()
    stage.startAgent({ limits: { reserveBytes: Number.MAX_SAFE_INTEGER } })
    const cancel = await controller.send({ name: 'cancel', target: sent.command.id })
    expect((await controller.result(cancel)).state).toBe('succeeded')
    expect((await controller.result(sent)).state).toBe('cancelled')
  })

  test('without its audit log refuses new commands, but not to cancel one', async () => {
    await using stage = await setStage()
    const { controller } = stage
    stage.startAgent()
    await enrolled(stage)
    const sent = await controller.send({ name: 'exec', argv: ['hold', ''] })
    await controller.until(() => sent.replies.some(({ kind }) => kind === 'accepted'), 'accepted')
    await rm(join(stage.stateDirectory, 'audit'), { recursive: true })
    expect(await controller.result(await controller.send({ name: 'ping' }))).toMatchObject({
      state: 'refused',
      reason: { code: 'audit-unavailable' },
    })
    const cancel = await controller.send({ name: 'cancel', target: sent.command.id })
    expect((await controller.result(cancel)).state).toBe('succeeded')
    expect((await controller.result(sent)).state).toBe('cancelled')
  })

  // Only root can mount something.
  test.skipIf(process.geteuid?.() !== 0)(
    'with a left directory that cannot be removed keeps no agent from starting',
    async () => {
      await using stage = await setStage()
      const { controller } = stage
      const agent = stage.startAgent()
      await enrolled(stage)
      await agent.stop()
      const left = join(stage.stateDirectory, 'commands', crypto.randomUUID())
      await mkdir(left)
      await run('mount', ['-t', 'tmpfs', 'sahara-agent-test', left])
      try {
        stage.startAgent()
        const sent = await controller.send(print('x'))
        expect((await controller.result(sent)).state).toBe('succeeded')
      } finally {
        await run('umount', ['--lazy', left])
      }
    },
  )

  test('that is full refuses new commands, without running them later', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    stage.startAgent({ limits: { reserveBytes: Number.MAX_SAFE_INTEGER } })
    await enrolled(stage)
    const sent = await controller.send(print('never'))
    expect(await controller.result(sent)).toMatchObject({
      state: 'refused',
      reason: { code: 'no-space' },
    })
    await alertOf(stage, 'no-space')
    await waitFor('an empty command queue', async () => (await controller.queued()) === 0)
    expect(operations.begun.size).toBe(0)
  })

  test('with a full journal refuses by the next agent what it could not answer before it was killed', async () => {
    await using stage = await setStage()
    const { controller, gate, operations, world } = stage
    const agent = stage.startAgent({ limits: { journalBytes: 64 * 1024 } })
    await enrolled(stage)
    await fillJournal(stage)
    const answers = Promise.withResolvers<void>()
    gate.setGate({
      before: async (passing) => {
        if (!kindsIn(passing).includes('result')) return 'pass'
        answers.resolve()
        return 'drop'
      },
    })
    const sent = await controller.send({ ...print('never'), env: filler })
    await answers.promise
    await agent.kill()
    gate.setGate({})
    stage.startAgent()
    // The message may still be claimed by the one that was killed.
    world.shift(61_000)
    expect(await controller.result(sent)).toMatchObject({
      state: 'refused',
      reason: { code: 'no-space' },
    })
    expect(operations.begun.has(sent.command.id)).toBe(false)
  })

  test('with a full journal never runs what it refused, though the queue delivers it to the next agent, who has room', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    const agent = stage.startAgent({ limits: { journalBytes: 64 * 1024 } })
    await enrolled(stage)
    const filling = await fillJournal(stage)
    const sent = await controller.send({ ...print('never'), env: filler })
    expect(await controller.result(sent)).toMatchObject({
      state: 'refused',
      reason: { code: 'no-space' },
    })
    // Now there is room.
    for (const { command } of filling) operations.release(command.id)
    for (const one of filling) await controller.result(one)
    await controller.result(await controller.send(print('in between')))
    await agent.kill()
    stage.startAgent()
    await controller.post(sent.command)
    await waitFor('an empty command queue', async () => (await controller.queued()) === 0)
    await controller.result(await controller.send(print('later')))
    expect(operations.begun.has(sent.command.id)).toBe(false)
  })

  test('with a full journal refuses new commands as well', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    stage.startAgent({ limits: { journalBytes: 64 * 1024 } })
    await enrolled(stage)
    const all = await Promise.all(
      Array.from({ length: 8 }, async () =>
        controller.send({ name: 'exec', argv: ['hold', ''], env: filler }),
      ),
    )
    const refused = await controller.until(
      () => all.filter(({ replies }) => replies.some(({ kind }) => kind === 'result')).at(0),
      'a refusal',
    )
    expect((await controller.result(refused)).reason?.code).toBe('no-space')
    expect(operations.begun.has(refused.command.id)).toBe(false)
    for (const { command } of all) operations.release(command.id)
    for (const sent of all) await controller.result(sent)
  })
})
