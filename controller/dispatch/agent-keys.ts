import type { PublicKey } from '../../protocol/messages/enrolment.ts'
import { importKey, type Key } from '../../protocol/sealing/keys.ts'

/** The keys that commands are sealed to, imported once each: it takes about as long as sealing a command. */
export interface AgentKeys {
  import: (jwk: PublicKey) => Promise<Key>
}

/** So many are kept; the one that was imported first goes first. */
const keptKeys = 1024

export function createAgentKeys(): AgentKeys {
  const kept = new Map<string, Promise<Key>>()
  return {
    import: async (jwk) => {
      const name = `${jwk.crv} ${jwk.x}`
      const known = kept.get(name)
      if (known) return await known
      const importing = importKey(jwk)
      kept.set(name, importing)
      for (const oldest of kept.keys()) {
        if (kept.size <= keptKeys) break
        kept.delete(oldest)
      }
      try {
        return await importing
      } catch (error) {
        kept.delete(name)
        throw error
      }
    },
  }
}
