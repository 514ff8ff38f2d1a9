import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { InstanceUuid } from '../../protocol/messages/enrolment.ts'

/** Where an instance's UUID was read, the most trusted first. */
export const UuidSource = z.enum([
  'config',
  'cloud-init-instance-data',
  'cloud-init-instance-id',
  'firmware',
  'machine-id',
])
export type UuidSource = z.output<typeof UuidSource>

export interface UuidReading {
  source: UuidSource
  uuid: string
}

/**
 * Reads what may stand for this instance's UUID, the most trusted source first:
 * the configuration's `instanceUuid`, cloud-init's `/run/cloud-init/instance-data.json` (`v1.instance_id`), cloud-init's
 * `/var/lib/cloud/data/instance-id`, the firmware's `/sys/class/dmi/id/product_uuid` (for root only; under Nova it is the
 * instance's UUID), and at last a hash of `/etc/machine-id`, which a cloned disk may share with its origin.
 */
export async function readInstanceUuids(
  configured: string | undefined,
  root = '/',
): Promise<UuidReading[]> {
  const read = async (path: string) => {
    try {
      return (await readFile(`${root}${path}`, 'utf8')).trim()
    } catch {
      return undefined
    }
  }
  const machineId = await read('etc/machine-id')
  const found = [
    { source: 'config', uuid: configured },
    {
      source: 'cloud-init-instance-data',
      uuid: instanceIdIn(await read('run/cloud-init/instance-data.json')),
    },
    { source: 'cloud-init-instance-id', uuid: await read('var/lib/cloud/data/instance-id') },
    { source: 'firmware', uuid: await read('sys/class/dmi/id/product_uuid') },
    { source: 'machine-id', uuid: machineId && uuidFromMachineId(machineId) },
  ] as const
  return found.flatMap(({ source, uuid }) => {
    const clean = InstanceUuid.safeParse(uuid).data
    return clean !== undefined && !placeholders.has(clean) ? [{ source, uuid: clean }] : []
  })
}

/**
 * Whether an identity still belongs to the machine it is on. A person's word decides, where there is one; else its own
 * source where it can be read: cloud-init may not have run yet at the next boot, or may have been removed, and another
 * source may then say another thing. Pure.
 */
export function isSameInstance(known: UuidReading, readings: readonly UuidReading[]): boolean {
  const from = (wanted: UuidSource) => readings.find(({ source }) => source === wanted)
  const again = from('config') ?? from(known.source)
  if (again) return again.uuid === known.uuid
  return readings.some(({ uuid }) => uuid === known.uuid)
}

/** What firmware and cloud-init say where they know nothing. */
const placeholders: ReadonlySet<string> = new Set([
  '',
  'none',
  'iid-datasource-none',
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  '03000200-0400-0500-0006-000700080009',
])

function instanceIdIn(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  try {
    return InstanceData.parse(JSON.parse(text)).v1.instance_id
  } catch {
    return undefined
  }
}

const InstanceData = z.looseObject({ v1: z.looseObject({ instance_id: z.string() }) })

/** machine-id(5) asks not to show the id itself; so a digest, in the shape of a UUID. */
function uuidFromMachineId(machineId: string): string {
  const hex = createHash('sha256').update(`sahara-agent:${machineId}`).digest('hex')
  return [8, 12, 16, 20, 32]
    .map((end, index, ends) => hex.slice(ends[index - 1] ?? 0, end))
    .join('-')
}
