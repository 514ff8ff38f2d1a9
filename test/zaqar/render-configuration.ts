/** Sections of an oslo.config file, in order; a repeated or empty value is legal there, a line break is not. */
export type Configuration = Readonly<
  Record<string, Readonly<Record<string, string | number | boolean>>>
>

/** Writes a configuration file as OpenStack services read it. */
export function renderConfiguration(configuration: Configuration): string {
  return Object.entries(configuration)
    .map(([section, options]) => `[${section}]\n${renderOptions(options)}\n`)
    .join('\n')
}

function renderOptions(options: Configuration[string]): string {
  return Object.entries(options)
    .map(([name, value]) => {
      const text = String(value)
      if (/[\r\n]/.test(text)) throw new Error(`option ${name} must not hold a line break`)
      // oslo.config replaces $name by the value of another option.
      return `${name} = ${text.replaceAll('$', '$$$$')}`
    })
    .join('\n')
}
