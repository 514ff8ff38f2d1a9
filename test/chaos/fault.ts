/**
 * How often each kind of fault is drawn. What the kinds of the proxy do is told in `chaos-proxy.ts`, what the others do
 * in `carry-out-fault.ts`.
 */
export const faultWeights = {
  'kill-agent': 14,
  'kill-runner': 7,
  'kill-controller': 7,
  'kill-queue': 7,
  reboot: 6,
  duplicate: 9,
  'lose-request': 8,
  'lose-answer': 9,
  delay: 8,
  reorder: 8,
  replay: 8,
  corrupt: 7,
  'garble-answer': 7,
  slow: 5,
  'half-open': 3,
  'queue-clock': 5,
  'agent-clock': 4,
  'full-disk': 3,
}
export type FaultKind = keyof typeof faultWeights

export interface PlannedFault {
  /** It happens when so many commands have ended. */
  afterEnded: number
  kind: FaultKind
  /** Whose agent, runner, disk or clock. */
  instance: number
  /** Whose requests, and which, on their way through the proxy. */
  side: 'agent' | 'controller'
  way: 'claim' | 'post' | 'delete'
  /** How many requests. */
  times: number
  /** From 0 to 1: how long, how far, which one. */
  strength: number
}

/** Faults of the network: what happens to the next requests of one kind. */
export type NetworkFaultKind = Exclude<FaultKind, ProcessFaultKind>
export type ProcessFaultKind =
  | 'kill-agent'
  | 'kill-runner'
  | 'kill-controller'
  | 'kill-queue'
  | 'reboot'
  | 'queue-clock'
  | 'agent-clock'
  | 'full-disk'
