import type { GuestCluster } from './guest-cluster.ts'

/** Which of these addresses (`HOST PORT`) take a TCP connection from an instance: all are tried at once, for five seconds. */
export async function reachableFrom(
  { sh }: GuestCluster,
  instance: string,
  addresses: readonly string[],
): Promise<string[]> {
  const reached = await sh(instance, [...addresses.map(knock), 'wait'].join('\n'))
  return reached.split('\n').filter((line) => line !== '')
}

function knock(address: string): string {
  const open = `bash -c '</dev/tcp/${address.replace(' ', '/')}' 2>/dev/null`
  return `(timeout 5 ${open} && echo '${address}') &`
}
