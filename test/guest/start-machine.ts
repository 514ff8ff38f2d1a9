import { join } from 'node:path'
import { execa } from 'execa'
import type { GuestImage } from './build-guest.ts'
import { type ConsoleLog, keepConsole } from './console-log.ts'
import { machineAddress } from './make-seed.ts'

/** A whole computer, in software: Debian's kernel, virtio, DHCP, a seed on a disk. */
export interface Machine {
  console: ConsoleLog
  [Symbol.asyncDispose]: () => Promise<void>
}

/** Where the guest finds the queue service; nothing else answers in its network. */
export const machineQueueUrl = 'http://10.0.2.100'

/**
 * Boots an image. Its disk is a snapshot that lives as long as qemu, so that a reboot from within finds what was written
 * before. `restrict=on`: the guest reaches nothing; but for one address, which leads to the queue service.
 */
export function startMachine(
  image: GuestImage,
  seed: string | undefined,
  queueUrl: string,
  directory: string,
): Machine {
  const console = keepConsole(join(directory, `console-${performance.now()}.log`))
  const door = `busybox nc 127.0.0.1 ${new URL(queueUrl).port}`
  const kernelLine =
    'root=/dev/vda rw console=ttyS0 net.ifnames=0 random.trust_cpu=on mitigations=off'
  const flags = `-nographic -nodefaults -M q35,graphics=off -m 512 -smp 2
    -accel tcg,thread=multi,tb-size=128 -cpu Nehalem -kernel ${image.kernel} -initrd ${image.initrd}
    -drive file=${image.disk},if=virtio,format=raw,snapshot=on,cache=unsafe
    ${seed === undefined ? '' : `-drive file=${seed},if=virtio,format=raw,readonly=on`}
    -device virtio-net-pci,netdev=n0,romfile=,mac=${machineAddress} -device virtio-rng-pci
    -chardev stdio,id=c0,signal=off -serial chardev:c0 -monitor none`
    .trim()
    .split(/\s+/)
  // Words with spaces in them.
  flags.push('-append', kernelLine)
  flags.push('-netdev', `user,id=n0,ipv6=off,restrict=on,guestfwd=tcp:10.0.2.100:80-cmd:${door}`)
  const running = execa('qemu-system-x86_64', flags, {
    reject: false,
    stdin: 'ignore',
    all: true,
    buffer: false,
  })
  running.all.setEncoding('utf8').on('data', console.take)
  return {
    console,
    [Symbol.asyncDispose]: async () => {
      running.kill('SIGKILL')
      await running
    },
  }
}
