import packageJson from '../package.json' with { type: 'json' }

/** The version that hellos, heartbeats and `--version` name. */
export const agentVersion: string = packageJson.version
