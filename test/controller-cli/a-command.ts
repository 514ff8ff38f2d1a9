import type { CommandRecord } from '../../controller/api/resources.ts'

type Result = NonNullable<CommandRecord['result']>

const noon = new Date('2030-01-01T12:00:00Z')

/** A command that ran `true` on worker-1 and succeeded; `differences` are all that a test cares about. */
export function aCommand(differences: Partial<CommandRecord> = {}): CommandRecord {
  return {
    id: '0197c0de-0000-7000-8000-0000000000c1',
    cluster: 'web',
    instance: 'worker-1',
    operation: { name: 'exec', argv: ['true'] },
    state: 'succeeded',
    ended: true,
    createdAt: noon,
    postedAt: noon,
    acceptedAt: noon,
    endedAt: new Date(noon.getTime() + 2100),
    startBy: noon,
    deadline: noon,
    cancelRequested: false,
    outputBytes: 0,
    outputComplete: true,
    result: aResult(),
    ...differences,
  }
}

export function aResult(differences: Partial<Result> = {}): Result {
  return {
    state: 'succeeded',
    startedAt: noon,
    endedAt: new Date(noon.getTime() + 2100),
    outputBytes: 0,
    streams: {},
    survivors: [],
    answer: {},
    ...differences,
  }
}
