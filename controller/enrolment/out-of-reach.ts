import { isLoopback } from '../config.ts'

/** Addresses to listen on, which say nothing of where somebody is reached. */
const anyAddress = ['0.0.0.0', '::']

/** Says what is wrong with an address of the queue service that is of no use in another machine's user-data, if it is one. */
export function explainOutOfReach(queueUrl: string): string | undefined {
  const host = new URL(queueUrl).hostname.replace(/^\[(.*)\]$/, '$1')
  if (!isLoopback(host) && !anyAddress.includes(host)) return undefined
  return (
    `the user-data says that the queue service is at ${queueUrl}, where only this machine finds it; for guests elsewhere ` +
    'set `queue.advertisedUrl` in the file of `serve --config` to where they reach it (the embedded queue also ' +
    'needs `queue.embedded.host` and `queue.embedded.tls`)'
  )
}
