const isoMoment =
  /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.\d+)?)?)?(Z|[+-]\d\d:?\d\d)?$/i

/**
 * Reads an ISO 8601 moment to the second, as Zaqar does: without a zone it is UTC (JavaScript's own
 * parser would take local time). Undefined when it is none.
 */
export function readIsoMoment(text: string): Date | undefined {
  const match = isoMoment.exec(text)
  if (match === null) return undefined
  const [, day, minutes = '00:00', seconds = '00', zone = 'Z'] = match
  const offset = zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone.toUpperCase()
  const moment = new Date(`${day}T${minutes}:${seconds}${offset}`)
  return Number.isNaN(moment.getTime()) ? undefined : moment
}
