#!/bin/sh
# Makes a root of its own (an overlay in memory over this machine's root) and runs a program in it as process 1.
# Run it under `unshare --mount --uts --pid --net --ipc --fork --kill-child`; nothing that it does is seen outside.
#
# Usage: enter_chamber.sh SHARED PROGRAM [ARGUMENT...]; the directory SHARED is the same inside and outside.
set -eu
shared=$1
shift

mount --make-rprivate /
base=$(mktemp -d "$shared/root.XXXXXX")
mount -t tmpfs tmpfs "$base"
mkdir "$base/changes" "$base/work" "$base/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/changes,workdir=$base/work" "$base/root"
cd "$base/root"
mount -t proc proc proc
mount --rbind /dev dev
mount --rbind /sys sys
mkdir -p "./$shared" run/outside
mount --bind "$shared" "./$shared"
pivot_root . run/outside
umount -l /run/outside
# A network of its own has only this, and it is down.
ip link set lo up 2>/dev/null || true
exec "$@"
