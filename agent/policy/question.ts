import type { GovernedOperation } from './policy-file.ts'

/** What a policy is asked about a command: all that its rules can speak of, looked up already. */
export interface Question {
  operation: GovernedOperation
  /** For `exec`, `read` and `write`. */
  user: AskedUser | null
  /** For `exec`. */
  program: AskedProgram | null
  /** Names of the variables that it brings. */
  environment: readonly string[]
  /** For `read` and `write`. */
  path: AskedPath | null
  /** For `http`. */
  port: number | null
  /** Of a `write`: it sets a set-user or set-group bit, or gives the file to another than its user. */
  setsOwnerOrId: boolean
  timeoutSeconds: number
  contentBytes: number
}

export interface AskedUser {
  name: string
  /** Null for one that this instance does not know. */
  uid: number | null
}

export interface AskedProgram {
  /** A script that the interpreter in `argv` gets, or a program with its words. */
  isScript: boolean
  argv: readonly string[]
  /** Where it lies: the links of its folder followed, its own name kept (`java` is a link everywhere). Null: not found. */
  found: string | null
  /** The same with its last link followed too. */
  target: string | null
  /** Whether it lies where the system keeps its programs, so that its bare name says enough. */
  isOfSystem: boolean
}

export interface AskedPath {
  /** Where it leads: every link followed. */
  leadsTo: string
  /** All its names: as it was asked for, and on the way. */
  names: readonly string[]
}
