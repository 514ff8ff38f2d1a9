import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Imported before a program that is measured: SIGUSR2 has it collect its garbage. */
setFlagsFromString('--expose-gc')
const collect: unknown = runInNewContext('gc')
process.on('SIGUSR2', () => {
  if (typeof collect === 'function') collect()
})
