#!/bin/sh
# Makes a root of its own (an overlay in memory over this machine's root) and runs a program in it as process 1.
# Run it under `unshare --mount --uts --pid --ipc --fork --kill-child`, and `--net` for a network of its own.
#
# Sahara's provisioning formats every disk that it finds unmounted, so there must be none: no block device is in /dev
# or in /sys, none can be made, and the kernel's own switches are read-only.
#
# Usage: enter_chamber.sh SHARED PROGRAM [ARGUMENT...]; the directory SHARED is the same inside and outside.
set -eu
shared=$1
shift

mount --make-rprivate /
base=$(mktemp -d "$shared/root.XXXXXX")
mount -t tmpfs -o nodev tmpfs "$base"
mkdir "$base/changes" "$base/work" "$base/root"
mount -t overlay -o "nodev,lowerdir=/,upperdir=$base/changes,workdir=$base/work" overlay "$base/root"
cd "$base/root"

mount -t tmpfs -o nodev,mode=755 tmpfs dev
for device in null zero full random urandom tty; do
  : >"dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs -o nodev,mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr

mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
for switch in sysrq-trigger partitions; do
  [ ! -e "proc/$switch" ] || mount --bind /dev/null "proc/$switch"
done

mount -t sysfs -o ro sysfs sys
for listing in block dev/block class/block; do
  [ ! -d "sys/$listing" ] || mount -t tmpfs -o ro,nodev tmpfs "sys/$listing"
done

mkdir -p "./$shared" run/outside
mount --bind "$shared" "./$shared"
pivot_root . run/outside
umount -l /run/outside
# A network of its own has only this, and it is down.
ip link set lo up 2>/dev/null || true

lost=-mknod,-sys_rawio,-sys_module,-sys_boot,-sys_time
exec setpriv --bounding-set=$lost --inh-caps=$lost "$@"
