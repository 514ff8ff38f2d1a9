import type { Welcome } from '../../protocol/messages/enrolment.ts'
import { backoffDelayMs } from '../../protocol/zaqar/retry.ts'
import type { Door } from './door.ts'

/**
 * Where the exchange of hello and welcome stands.
 *
 * | state | meaning | ways out |
 * | --- | --- | --- |
 * | looking | looks for somewhere to knock: the bootstrap file, or credentials of before | greeting, resting |
 * | greeting | reads its challenge where one is needed, and posts the hello | listening, resting |
 * | listening | lists the lobby for an answer to a hello of its own | welcomed, resting, looking (nobody answered) |
 * | resting | waits before it looks again: nothing found, an outage, a refusal | looking |
 * | welcomed | has its credentials | none |
 */
export type EnrolmentState =
  | { name: 'looking'; attempt: number }
  | { name: 'greeting'; attempt: number; door: Door }
  | { name: 'listening'; attempt: number; door: Door; patienceMs: number }
  | { name: 'resting'; attempt: number; delayMs: number }
  | { name: 'welcomed'; door: Door; welcome: WelcomeIn }

export type WelcomeIn = Extract<Welcome, { verdict: 'welcome' }>

export type EnrolmentEvent =
  | { kind: 'found'; door: Door }
  | { kind: 'nothing-found' }
  | { kind: 'no-challenge' }
  | { kind: 'posted' }
  | { kind: 'failed' }
  | { kind: 'silence' }
  | { kind: 'answered'; welcome: Welcome }
  | { kind: 'rested' }

/** How soon a bootstrap file that has come is seen, in milliseconds. */
const lookAgainMs = 1000
/** How soon a challenge that has come is seen, in milliseconds; Nova's own cache of metadata lasts 15 s. */
const challengeAgainMs = 4000
/** How long an answer to the first hello is waited for before it is said again; doubles up to the longest. */
const firstPatienceMs = 5000
const longestPatienceMs = 60_000

/**
 * Goes from one state to the next. Pure; an event that a state does not know leaves it as it is.
 *
 * @param random gives numbers from 0 to 1: many agents boot together, and must not knock together.
 */
export function advanceEnrolment(
  state: EnrolmentState,
  event: EnrolmentEvent,
  random: () => number,
): EnrolmentState {
  switch (state.name) {
    case 'looking':
      if (event.kind === 'found') return { ...state, name: 'greeting', door: event.door }
      if (event.kind === 'nothing-found') return { ...state, name: 'resting', delayMs: lookAgainMs }
      return state
    case 'greeting':
      if (event.kind === 'posted') {
        return { ...state, name: 'listening', patienceMs: patienceMs(state.attempt, random) }
      }
      if (event.kind === 'no-challenge') return awaitChallenge(state.attempt, random)
      return event.kind === 'failed' ? rest(state.attempt, 0, random) : state
    case 'listening':
      if (event.kind === 'silence') return { name: 'looking', attempt: state.attempt + 1 }
      if (event.kind === 'failed') return rest(state.attempt, 0, random)
      if (event.kind !== 'answered') return state
      return event.welcome.verdict === 'welcome'
        ? { name: 'welcomed', door: state.door, welcome: event.welcome }
        : rest(state.attempt, firstPatienceMs, random)
    case 'resting':
      return event.kind === 'rested' ? { name: 'looking', attempt: state.attempt + 1 } : state
    case 'welcomed':
      return state
  }
}

function rest(attempt: number, leastMs: number, random: () => number): EnrolmentState {
  return { name: 'resting', attempt, delayMs: leastMs + backoffDelayMs(attempt, random) }
}

/** Nothing was tried yet, so that nothing has failed: the attempt is the same one afterwards. */
function awaitChallenge(attempt: number, random: () => number): EnrolmentState {
  const delayMs = Math.ceil(challengeAgainMs / 2 + (random() * challengeAgainMs) / 2)
  return { name: 'resting', attempt: attempt - 1, delayMs }
}

/** From half of the bound up to the bound. */
function patienceMs(attempt: number, random: () => number): number {
  const bound = Math.min(longestPatienceMs, firstPatienceMs * 2 ** Math.min(attempt - 1, 10))
  return Math.ceil(bound / 2 + (random() * bound) / 2)
}
