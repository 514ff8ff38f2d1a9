/** Tells the deadlines that something is due earlier than they may know. */
export interface DueBell {
  ring: (dueAt: Date) => void
  /** The one listener; what rang before is in the store. */
  connect: (listener: (dueAt: Date) => void) => void
}

export function createDueBell(): DueBell {
  let listener: ((dueAt: Date) => void) | undefined
  return {
    ring: (dueAt) => listener?.(dueAt),
    connect: (newListener) => {
      listener = newListener
    },
  }
}
