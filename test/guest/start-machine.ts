import { join } from 'node:path'
import { execa } from 'execa'
import type { GuestImage } from './build-guest.ts'
import { type ConsoleLog, keepConsole } from './console-log.ts'
import { machineAddress } from './make-seed.ts'

/** A whole computer, in software: Debian's kernel, virtio, DHCP, a seed on a disk or a metadata service. */
export interface Machine {
  console: ConsoleLog
  /** By `performance.now()`. */
  startedMs: number
  [Symbol.asyncDispose]: () => Promise<void>
}

export interface MachineParts {
  /** An ISO with user-data on it. */
  seed?: string
  /** What the guest finds at 169.254.169.254: a service on this machine's loopback. */
  metadataUrl?: string
}

/** What a guest finds where in its network; all other addresses are silent. */
export interface MachineNetwork {
  /** As qemu's `-netdev user` wants it. */
  flags: string
  queueUrl: string
  /** This machine, were it to be reached. */
  host: string
}

export const plainNetwork: MachineNetwork = {
  flags: 'net=10.0.2.0/24',
  queueUrl: 'http://10.0.2.100',
  host: '10.0.2.2',
}

/** A network in which the metadata service's address is a neighbour: qemu forwards no other. */
export const linkLocalNetwork: MachineNetwork = {
  flags: 'net=169.254.0.0/16,host=169.254.0.2,dns=169.254.0.3,dhcpstart=169.254.0.15',
  queueUrl: 'http://169.254.0.100',
  host: '169.254.0.2',
}

/**
 * Boots an image. Its disk is a snapshot that lives as long as qemu, so that a reboot from within finds what was written
 * before. `restrict=on`: the guest reaches nothing; but for the addresses that lead to the queue and the metadata service.
 */
export function startMachine(
  image: GuestImage,
  { seed, metadataUrl }: MachineParts,
  queueUrl: string,
  directory: string,
): Machine {
  const startedMs = performance.now()
  const console = keepConsole(join(directory, `console-${startedMs}.log`))
  const network = metadataUrl === undefined ? plainNetwork : linkLocalNetwork
  const doors = [forward(new URL(network.queueUrl).hostname, queueUrl)]
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
  if (metadataUrl !== undefined) {
    doors.push(forward('169.254.169.254', metadataUrl))
    // By this name cloud-init knows that a metadata service is worth asking.
    flags.push('-smbios', 'type=1,manufacturer=OpenStack Foundation,product=OpenStack Nova')
  }
  flags.push('-netdev', `user,id=n0,ipv6=off,restrict=on,${network.flags},${doors.join(',')}`)
  const running = execa('qemu-system-x86_64', flags, {
    reject: false,
    stdin: 'ignore',
    all: true,
    buffer: false,
  })
  running.all.setEncoding('utf8').on('data', console.take)
  return {
    console,
    startedMs,
    [Symbol.asyncDispose]: async () => {
      running.kill('SIGKILL')
      await running
    },
  }
}

function forward(address: string, url: string): string {
  return `guestfwd=tcp:${address}:80-cmd:busybox nc 127.0.0.1 ${new URL(url).port}`
}
