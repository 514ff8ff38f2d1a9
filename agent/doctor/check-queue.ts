import { chooseProxy, showProxy } from '../../protocol/network/choose-proxy.ts'
import type { Network } from '../../protocol/network/read-network.ts'
import type { World } from '../../protocol/world.ts'
import { judgeFailure } from '../../protocol/zaqar/judge-failure.ts'
import type { ServerClock } from '../clock/server-clock.ts'
import { type Connect, queueNamed } from '../connect.ts'
import type { Door } from '../enrol/door.ts'
import { describeError } from '../log.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

/** The one resolved network configuration. */
export function describeNetwork(
  { endpoint, certificateAuthority }: Pick<Door, 'endpoint' | 'certificateAuthority'>,
  { settings, certificateAuthorities }: Network,
): Finding {
  const { proxy, because } = chooseProxy(new URL(endpoint), settings)
  const way = proxy ? `through ${showProxy(proxy)} (${because})` : `directly (${because})`
  const { value, from } = settings.noProxy
  const exceptions = value.length === 0 ? '' : `; no proxy for ${value.join(' ')} (${from})`
  const own = [
    ...certificateAuthorities.map(() => 'network.certificateAuthorityFile'),
    ...(certificateAuthority === undefined ? [] : ['the bootstrap']),
  ]
  const trust = own.length === 0 ? '' : ` and those of ${own.join(', ')}`
  return ok(
    'network',
    `${endpoint} ${way}${exceptions}; the system’s certificate authorities${trust}`,
  )
}

/** Asks the queue service for the lobby, as an agent does that enrols: shows the way there and back, and the right. */
export async function checkQueue(
  { endpoint, lobby, certificateAuthority }: Door,
  { connect, world }: { connect: Connect; world: World },
): Promise<Finding> {
  await using client = connect({ endpoint, certificateAuthority })
  const askedMs = world.monotonicMs()
  try {
    await client.listMessagePage(queueNamed(lobby), { auth: { kind: 'signed', url: lobby } })
    const tookMs = Math.round(world.monotonicMs() - askedMs)
    return ok('queue', `${endpoint} answered in ${tookMs} ms and takes our signed URL`)
  } catch (error) {
    const { error: why } = describeError(error)
    const remedy =
      judgeFailure(error) === 'new-credentials'
        ? 'the lobby’s URL has ended or was retired: look at the clock and the credentials below, or give the instance new user-data'
        : 'look at routes, name servers, firewall and proxy (network, above) between here and the queue service'
    return fail('queue', why, remedy)
  }
}

/** Only deadlines depend on it, and the agent reckons with the queue's clock; other programs may not. */
export function checkClock(clock: ServerClock, hasAnswer: boolean): Finding {
  if (!hasAnswer) return warn('clock', 'not compared: the queue did not answer', 'mend that first')
  const seconds = Math.round(clock.offsetMs() / 1000)
  if (Math.abs(seconds) <= 5) return ok('clock', 'agrees with the queue service’s, to 5 s')
  const how = `${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} the queue service’s`
  return warn('clock', `${how}; the agent allows for it`, 'set the clock, such as by chrony')
}
