import { z } from 'zod'
import { startProgram } from '../system/start-program.ts'
import { openZaqarQueue } from '../zaqar/zaqar-system-queue.ts'
import { type Installation, startInstallation } from './installation.ts'

/** Two installations that share a real Zaqar: in one the agent polls, in the other it claims by way of the gateway. */
export interface ZaqarInstallations {
  polling: Installation
  gateway: Installation
}

const Listening = z.looseObject({ url: z.string(), notifyUrl: z.string() })

/** @throws {Error} packages are missing (all are named), or something did not start. */
export async function startZaqarInstallations(
  directory: string,
  opened: AsyncDisposableStack,
): Promise<ZaqarInstallations> {
  const zaqar = opened.use(await openZaqarQueue(directory, { workers: 2 }))
  const program = opened.use(
    startProgram('queue/main.ts', ['gateway', '--upstream', zaqar.url, ...gatewayFlags]),
  )
  const line = await program.line((text) => text.includes('"listening"'))
  const { url, notifyUrl } = Listening.parse(JSON.parse(line))
  // It is one for both, and ours to end.
  const shared = { ...zaqar, [Symbol.asyncDispose]: async () => undefined }
  const gateway = { url, notifyUrls: [notifyUrl] }
  const behindGateway = { ...shared, settings: { ...zaqar.settings, gateway } }
  return {
    polling: opened.use(await startInstallation(`${directory}/polling`, 1, async () => shared)),
    gateway: opened.use(
      await startInstallation(`${directory}/gateway`, 1, async () => behindGateway),
    ),
  }
}

const gatewayFlags = ['--port', '0', '--notify-port', '0', '--json', '--log-level', 'info']
