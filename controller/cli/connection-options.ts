import type { Command } from 'commander'

/** The options by which every command finds the controller; they may stand before the command's name as well. */
export function addConnectionOptions(command: Command): Command {
  return command
    .option('--socket <path>', "the controller's Unix socket (env SAHARA_CONTROLLER_SOCKET)")
    .option('--url <url>', "the controller's URL instead (env SAHARA_CONTROLLER_URL)")
    .option(
      '--token-file <file>',
      'holds the bearer token for --url, mode 0600 (env SAHARA_CONTROLLER_TOKEN_FILE)',
    )
    .option('--json', "print the API's JSON, and errors as JSON")
}

/** The examples at the end of a command's help. */
export function examples(...lines: string[]): string {
  return ['', 'Examples:', ...lines.map((line) => `  $ sahara-controller ${line}`)].join('\n')
}
