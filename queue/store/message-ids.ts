import type { DatabaseSync } from 'node:sqlite'
import type { World } from '../../protocol/world.ts'

/** How far ahead ids are reserved on disk; one row is written that often, not for every id. */
const reserveMs = 10_000
/** 12 bits count the ids of one millisecond. */
const perMillisecond = 4096

/**
 * Makes UUIDs of version 7 (RFC 9562, 5.7 and method 1 of 6.2), each greater than all before it, also
 * after a restart with a clock that went back. So the order of ids is the order of arrival, and an id
 * keeps its place in the queue when its message is gone: it can serve as a marker.
 */
export class MessageIds {
  readonly #world: World
  readonly #reserve
  #lastMs: number
  #countInMs = 0
  #reservedMs = 0
  #pool = Buffer.alloc(0)

  constructor(db: DatabaseSync, world: World) {
    this.#world = world
    this.#reserve = db.prepare(`INSERT INTO settings VALUES ('ids-reserved-until', ?)
      ON CONFLICT (name) DO UPDATE SET value = excluded.value`)
    const saved = db.prepare(`SELECT value FROM settings WHERE name = 'ids-reserved-until'`).get()
    this.#lastMs = Number(saved?.['value'] ?? 0)
  }

  /** Call it within a transaction: now and then it writes the reservation. */
  next(): string {
    this.#tick(this.#world.now().getTime())
    if (this.#lastMs >= this.#reservedMs) {
      this.#reservedMs = this.#lastMs + reserveMs
      this.#reserve.run(String(this.#reservedMs))
    }
    const time = this.#lastMs.toString(16).padStart(12, '0')
    const count = this.#countInMs.toString(16).padStart(3, '0')
    const random = this.#random8()
    random[0] = ((random[0] ?? 0) & 0x3f) | 0x80
    const tail = random.toString('hex')
    return `${time.slice(0, 8)}-${time.slice(8)}-7${count}-${tail.slice(0, 4)}-${tail.slice(4)}`
  }

  /** The last reservation may have been rolled back: write a new one before the next id. */
  forgetReservation(): void {
    this.#reservedMs = 0
  }

  #tick(nowMs: number): void {
    if (nowMs > this.#lastMs) {
      this.#lastMs = nowMs
      this.#countInMs = 0
      return
    }
    this.#countInMs += 1
    if (this.#countInMs === perMillisecond) {
      this.#lastMs += 1
      this.#countInMs = 0
    }
  }

  #random8(): Buffer {
    if (this.#pool.length < 8) this.#pool = Buffer.from(this.#world.randomBytes(2048))
    const taken = this.#pool.subarray(0, 8)
    this.#pool = this.#pool.subarray(8)
    return taken
  }
}
