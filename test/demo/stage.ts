import { styleText } from 'node:util'

/** What the person in front of the demo sees: numbered scenes, what is typed, what it shows, and a summary. */
export interface Stage {
  scene: (title: string) => void
  /** A command line as a person would type it. */
  typed: (commandLine: string) => void
  /** Something that was checked, and held. */
  shown: (text: string) => void
  /** A line of explanation. */
  say: (text: string) => void
  /** Everything that was shown, scene by scene. */
  summary: () => void
}

export function createStage(write: (text: string) => void, now: () => number): Stage {
  const begun = now()
  const scenes: { title: string; shown: number }[] = []
  return {
    scene: (title) => {
      scenes.push({ title, shown: 0 })
      write(`\n${styleText(['bold', 'cyan'], `${scenes.length}. ${title}`)}\n`)
    },
    typed: (commandLine) =>
      write(`   ${styleText('dim', '$')} ${styleText('bold', commandLine)}\n`),
    shown: (text) => {
      const scene = scenes.at(-1)
      if (scene) scene.shown += 1
      write(`   ${styleText('green', '✓')} ${text}\n`)
    },
    say: (text) => write(`   ${text}\n`),
    summary: () => {
      const checks = scenes.reduce((sum, scene) => sum + scene.shown, 0)
      const seconds = ((now() - begun) / 1000).toFixed(1)
      write(`\n${styleText('bold', `All ${checks} checks held, in ${seconds} s:`)}\n`)
      for (const scene of scenes) write(`   ${styleText('green', '✓')} ${scene.title}\n`)
    },
  }
}

/** Stops the demo with what was expected, since a demo that goes on after a failed check proves nothing. */
export function expectThat(holds: boolean, expectation: string, evidence: unknown): void {
  if (holds) return
  throw new Error(`the demo expected that ${expectation}, and saw: ${JSON.stringify(evidence)}`)
}
