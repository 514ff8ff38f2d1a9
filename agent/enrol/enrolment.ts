import { z } from 'zod'
import { Credentials } from '../../protocol/messages/credentials.ts'
import { PublicKey } from '../../protocol/messages/enrolment.ts'
import { Bytes, Name } from '../../protocol/messages/wire-types.ts'

/** What the welcome brought, as the agent keeps it in `credentials.json` (0600). */
export const Enrolment = z.strictObject({
  v: z.literal(1),
  cluster: z.uuid(),
  instance: z.uuid(),
  instanceName: Name,
  /** Whose agent this is for (`Identity`). */
  instanceUuid: z.string(),
  commandKey: PublicKey,
  enrolmentKey: PublicKey,
  reportKey: Bytes,
  heartbeatSeconds: z.number().min(1).max(86_400),
  credentials: Credentials,
  certificateAuthority: z.exactOptional(z.string()),
})
export type Enrolment = z.output<typeof Enrolment>
