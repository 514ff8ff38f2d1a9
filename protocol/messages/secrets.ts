import { z } from 'zod'
import { Bytes } from './wire-types.ts'

/** All secrets of one command together, in bytes. */
export const secretsLimitBytes = 32 * 1024

/** How many a command has at most. */
const secretsLimit = 32

/**
 * The shortest secret, in bytes without the white space around it. Redacting a shorter one would tear holes into all output,
 * and tell by them what it is.
 */
export const secretMinBytes = 4

/** Upper case and underscores are left to the variable that is made of it, so that two names never make one variable. */
export const SecretName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,63}$/, 'use 1 to 64 of a-z, 0-9 and -, a letter first')

/** `file`: a file in memory that the command's user alone may read. `fd`: an open descriptor of a file without a name. */
const Via = z.enum(['file', 'fd']).default('file')

/** A secret on its way: `sealed` is a compact JWE to the instance (`sealing/seal-secret.ts`). */
export const SealedSecrets = secretsBy(
  z.looseObject({
    sealed: z
      .string()
      .min(1)
      .max(inBase64(secretsLimitBytes) + 1024),
    via: Via,
  }),
)
export type SealedSecrets = z.output<typeof SealedSecrets>

/** A secret as people hand it over. */
export const NewSecrets = secretsBy(
  z.strictObject({
    bytes: Bytes.refine((bytes) => isLongEnough(bytes), {
      message: `has under ${secretMinBytes} bytes: too short to be redacted from output`,
    }),
    via: Via,
  }),
).refine((secrets) => totalBytes(secrets) <= secretsLimitBytes, {
  message: `are over ${secretsLimitBytes} bytes together; \`put\` a file there instead`,
})
export type NewSecrets = z.output<typeof NewSecrets>

/** The variable that says where the command finds a secret: `db-password` is at `$DB_PASSWORD_FILE`. */
export function secretVariable(name: string): string {
  return `${name.replaceAll('-', '_').toUpperCase()}_FILE`
}

/** Whether a secret can be redacted: see `secretMinBytes`. */
export function isLongEnough(secret: Uint8Array): boolean {
  return Buffer.from(secret).toString('latin1').trim().length >= secretMinBytes
}

/** Length of so many bytes in base64. */
export function inBase64(bytes: number): number {
  return Math.ceil((bytes * 4) / 3)
}

function secretsBy<Secret extends z.ZodType>(secret: Secret) {
  return z
    .record(SecretName, secret)
    .refine((secrets) => Object.keys(secrets).length <= secretsLimit, {
      message: `are over ${secretsLimit}`,
    })
}

function totalBytes(secrets: Readonly<Record<string, { bytes: Uint8Array }>>): number {
  return Object.values(secrets).reduce((sum, { bytes }) => sum + bytes.length, 0)
}
