#!/bin/sh
# Starts the Sahara agent that this image already holds: gives it its bootstrap, and enables its unit.
# The bootstrap holds a secret: whoever reads this text before the instance enrols can enrol in its place.
#
# SAHARA_AGENT_ROOT=DIRECTORY prepares a mounted image instead of this machine: nothing is started then.
set -eu
umask 077

root=${SAHARA_AGENT_ROOT:-}
bootstrap_path="$root"'@BOOTSTRAP_PATH@'

mkdir -p "${bootstrap_path%/*}"
# Beside its place, private from the start, then renamed: the agent sees all of it or nothing of it.
# A here-document, not an argument: arguments can be read in the list of processes.
draft=$(mktemp "$bootstrap_path.XXXXXX")
trap 'rm -f "$draft"' EXIT
cat >"$draft" <<'END_OF_BOOTSTRAP'
@BOOTSTRAP@
END_OF_BOOTSTRAP
chmod 0600 "$draft"
mv -f "$draft" "$bootstrap_path"

if [ -n "$root" ]; then
  systemctl --root="$root" enable sahara-agent.service
else
  # --no-block: the agent must not delay the boot, nor wait for a boot that waits for this very script.
  systemctl enable --now --no-block sahara-agent.service
fi
