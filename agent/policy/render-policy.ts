import { type PresetName, presetNames } from './policy-file.ts'
import { presets } from './presets.ts'

/** A policy file to begin with, with comments. Pure. */
export function renderPolicy(preset: PresetName): string {
  const width = Math.max(...presetNames.map((name) => name.length))
  const list = presetNames.map((name) => `#   ${name.padEnd(width)}  ${presets[name].purpose}`)
  return `# What the Sahara agent may do on this instance: the tenant's word. No message from outside can change it.
# Reference and examples: docs/policy.md. After a change:
#   sahara-agent policy check && systemctl reload sahara-agent
# A file that is not valid makes the agent refuse everything.
version: 1

# enforce: what no rule allows is refused. observe: it is run, and told to the log and the audit log.
mode: enforce

# Rules that come after those below:
${list.join('\n')}
preset: ${preset}

# The first rule that fits a command decides; what no rule fits is refused.
rules: []
#  - name: keep-passwords
#    refuse: [read, write]
#    paths: [/etc/shadow*, /etc/gshadow*]
#  - name: restart-hadoop
#    allow: exec
#    users: [root]
#    argv:
#      - [/usr/bin/systemctl, restart, "hadoop-*"]
#  - name: scripts-of-hadoop
#    allow: exec
#    users: [hadoop]
#    interpreters: [/bin/bash]

# What an allowed command may use.
limits: {}
#  timeoutSeconds: 3600
#  concurrency: 8
#  outputBytes: 1073741824
#  contentBytes: 1073741824
`
}
