import { execFile } from 'node:child_process'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { type Program, startProgram } from './start-program.ts'

/** A guest for tests: a directory that stands for its disk, and the agent as an ordinary process. */
export interface Guest {
  name: string
  /** What is `/` in a real guest. */
  root: string
  stateDirectory: string
  /** Does what cloud-init does with user-data at the first boot. */
  applyUserData: (userData: string) => Promise<void>
  /** Starts `sahara-agent run`, as systemd would. */
  startAgent: (settings?: Readonly<Record<string, unknown>>) => Promise<Program>
}

/** @param agent the program that is started as the agent. */
export async function createGuest(
  name: string,
  root: string,
  agent = 'agent/main.ts',
): Promise<Guest> {
  const stateDirectory = join(root, 'var/lib/sahara-agent')
  await mkdir(stateDirectory, { recursive: true, mode: 0o700 })
  return {
    name,
    root,
    stateDirectory,
    applyUserData: async (userData) => {
      if (userData.startsWith('#cloud-config')) await writeFilesOf(userData, root)
      else await runScript(userData, root)
    },
    startAgent: async (settings = {}) => {
      const config = join(root, 'etc/sahara-agent/agent.yaml')
      await mkdir(dirname(config), { recursive: true })
      const defaults = {
        bootstrapPath: join(root, 'etc/sahara-agent/bootstrap.json'),
        stateDirectory,
        instanceUuid: `uuid-of-${name}`,
      }
      await writeFile(config, stringify({ ...defaults, ...settings }))
      return startProgram(agent, ['run', '--config', config])
    },
  }
}

const CloudConfig = z.looseObject({
  write_files: z.array(
    z.looseObject({
      path: z.string(),
      permissions: z.string(),
      encoding: z.literal('b64'),
      content: z.string(),
    }),
  ),
})

/** The `write_files` of a `#cloud-config`, below `root`; its `runcmd` starts the agent, which is left to `startAgent`. */
async function writeFilesOf(userData: string, root: string): Promise<void> {
  for (const file of CloudConfig.parse(parse(userData)).write_files) {
    const path = join(root, file.path)
    await mkdir(dirname(path), { recursive: true })
    const mode = Number.parseInt(file.permissions, 8)
    await writeFile(path, Buffer.from(file.content, 'base64'), { mode })
    await chmod(path, mode)
  }
}

/** Runs the shell script with the very option that it has for preparing a mounted image, and no real systemctl. */
async function runScript(userData: string, root: string): Promise<void> {
  const programs = join(root, 'stand-ins')
  await mkdir(programs, { recursive: true })
  await writeFile(join(programs, 'systemctl'), '#!/bin/sh\nexit 0\n', { mode: 0o755 })
  const script = join(root, 'user-data.sh')
  await writeFile(script, userData, { mode: 0o700 })
  await promisify(execFile)('sh', [script], {
    env: { PATH: `${programs}:${process.env['PATH']}`, SAHARA_AGENT_ROOT: root },
  })
}
