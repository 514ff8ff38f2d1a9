import { readFile } from 'node:fs/promises'

/** Which boot this is: what was begun in another one does not run any more. See proc_sys_kernel(5). */
export async function readBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
}
