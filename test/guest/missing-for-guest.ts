import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** What each form of a guest needs, and a program by which each Debian package is known; `.ci/install-guest` installs the same. */
const programOfPackage = {
  mmdebstrap: 'mmdebstrap',
  iproute2: 'ip',
  'dpkg-dev': 'dpkg-deb',
  binutils: 'strip',
} as const
const forContainer = { 'systemd-container': 'systemd-nspawn' } as const
const forMachine = {
  'qemu-system-x86': 'qemu-system-x86_64',
  genisoimage: 'genisoimage',
  'busybox-static': 'busybox',
  cpio: 'cpio',
  e2fsprogs: 'mke2fs',
} as const

const forElement = { 'python3-diskimage-builder': 'disk-image-create', sudo: 'sudo' } as const
const forForm = { container: forContainer, machine: forMachine, element: forElement } as const

/** Why a guest of this form cannot be started on this machine; undefined when it can. A test skips with this reason. */
export function missingForGuest(form: keyof typeof forForm): string | undefined {
  if (process.getuid?.() !== 0) return 'building a guest’s file tree needs root'
  if (process.arch !== 'x64') return 'guests are started on x86-64 only'
  const wanted = { ...programOfPackage, ...forForm[form] }
  const missing = Object.entries(wanted).filter(([, program]) => !isInstalled(program))
  if (missing.length === 0) return undefined
  const packages = missing.map(([name]) => name).join(' ')
  return `not installed: ${packages} (.ci/install-guest installs what a guest needs)`
}

function isInstalled(program: string): boolean {
  const path = `${process.env['PATH']}${delimiter}/usr/sbin${delimiter}/sbin`
  return path.split(delimiter).some((directory) => existsSync(join(directory, program)))
}
