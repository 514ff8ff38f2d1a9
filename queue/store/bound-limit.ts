/**
 * A LIMIT whose number is bound at each run. SQLite takes a bare `LIMIT ?` for a hint to its planner and
 * prepares the statement anew whenever the number is bound: 25 µs on each claim, against 3 for the claim's own look.
 */
export const boundLimit = 'LIMIT ? + 0'
