const units = ['KiB', 'MiB', 'GiB', 'TiB'] as const

/** `512 B`, `1.5 KiB`, `180 KiB`, `4.0 GiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  let amount = bytes
  let chosen = ''
  for (const unit of units) {
    if (amount < 1024) break
    amount /= 1024
    chosen = unit
  }
  return `${amount >= 100 ? Math.floor(amount) : amount.toFixed(1)} ${chosen}`
}
