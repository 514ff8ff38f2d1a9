import { access, constants, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { AgentConfig } from '../config.ts'
import { errnoOf } from '../runner/command-record.ts'
import { canFindSecretsHome } from '../secrets/secret-files.ts'
import { isMissingFile, type StatePaths } from '../state-directory.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

/** Whether what holds secrets is there, and closed to others. */
export async function checkModes(
  { bootstrapPath, stateDirectory }: AgentConfig,
  paths: StatePaths,
): Promise<Finding[]> {
  return await Promise.all([
    checkMode('state directory', stateDirectory, 'it is made when the agent starts'),
    checkMode(
      'bootstrap',
      bootstrapPath,
      'user-data writes it; without it only an enrolled agent works',
    ),
    checkMode('keys', paths.identity, 'they are made when the agent starts'),
    checkMode('credentials', paths.credentials, 'they come with the enrolment'),
  ])
}

async function checkMode(check: string, path: string, whenMissing: string): Promise<Finding> {
  try {
    const { mode, uid } = await stat(path)
    const shown = (mode & 0o777).toString(8).padStart(4, '0')
    if ((mode & 0o077) !== 0) {
      return fail(check, `${path} has mode ${shown}: others may use it`, `chmod go= ${path}`)
    }
    await access(path, constants.R_OK)
    return ok(check, `${path}, mode ${shown}, owner ${uid}`)
  } catch (error) {
    if (isMissingFile(error)) return warn(check, `${path} does not exist`, whenMissing)
    if (errnoOf(error) === 'EACCES') {
      return warn(check, `${path} cannot be seen by this user`, 'run doctor as root')
    }
    throw error
  }
}

/** Whether there is room for what the agent has to keep. */
export async function checkDisk({ stateDirectory, limits }: AgentConfig): Promise<Finding> {
  const path = await nearestExisting(stateDirectory)
  const { bavail, bsize, ffree, files } = await statfs(path)
  const freeBytes = bavail * bsize
  const detail = `${mebibytes(freeBytes)} MiB free at ${path}; ${mebibytes(limits.reserveBytes)} MiB are left alone`
  const remedy = 'free some space, or point stateDirectory to a larger disk'
  if (freeBytes < limits.reserveBytes) {
    return fail('disk', `${detail}: new commands are refused`, remedy)
  }
  if (files > 0 && ffree === 0) return fail('disk', 'no inodes are left', remedy)
  const isScarce = freeBytes < limits.reserveBytes * 4
  return isScarce ? warn('disk', detail, remedy) : ok('disk', detail)
}

/** Whether secrets of commands could be kept off the disk. */
export function checkMemory({ stateDirectory }: AgentConfig): Finding {
  if (canFindSecretsHome(stateDirectory)) {
    return ok('memory', 'secrets of commands are kept in memory, not on the disk')
  }
  return warn(
    'memory',
    'neither /run nor /dev/shm is a file system in memory that the agent may use: commands with secrets are refused',
    'mount a tmpfs there; run doctor as the user that the agent runs as',
  )
}

async function nearestExisting(path: string): Promise<string> {
  try {
    await stat(path)
    return path
  } catch {
    return path === dirname(path) ? path : await nearestExisting(dirname(path))
  }
}

function mebibytes(bytes: number): number {
  return Math.floor(bytes / 2 ** 20)
}
