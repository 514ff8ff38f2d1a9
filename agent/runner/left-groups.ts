import type { ControlGroup } from './control-group.ts'

/** The cgroups of ended commands whose background processes live on: a cgroup can be removed only when it is empty. */
export interface LeftGroups {
  keep: (group: ControlGroup) => void
  removeEmpty: () => void
}

/** Kept at most; beyond it, the oldest stays behind, empty and harmless, until the machine boots again. */
const limit = 1024

export function keepGroups(): LeftGroups {
  const groups = new Set<ControlGroup>()
  const removeEmpty = () => {
    for (const group of groups) if (group.remove()) groups.delete(group)
  }
  return {
    removeEmpty,
    keep: (group) => {
      removeEmpty()
      groups.add(group)
      for (const oldest of groups) {
        if (groups.size <= limit) break
        groups.delete(oldest)
      }
    },
  }
}
