// What a person at a terminal, a log and a program get to see.
//
// Progress goes to stderr: one line that updates on a terminal, one line a
// state on a pipe. The result goes to stdout. With `--json` stdout is JSON lines
// and nothing else. A target chooses its own name, so nothing reaches a
// terminal before control characters, which could rewrite it, are made visible.

import { ProfilerError } from '../errors.ts'

export interface Terminal {
  /** Whether a line that updates is seen. */
  readonly isLive: boolean
  /** A state was reached: `reading`, 'Reading the samples'. */
  state(name: string, words: string): void
  /** Within the state: replaced by the next one, shown on a terminal only. */
  tick(words: string): void
  /** A line of the result, or of a list. */
  print(line: string): void
  /** A line of JSON, with `--json`. */
  emit(value: unknown): void
  error(error: unknown): void
}

export function openTerminal(isJson: boolean, isDebug: boolean): Terminal {
  const isLive = process.stderr.isTTY === true && !isJson
  let isTicking = false
  const clear = () => {
    if (isTicking) process.stderr.write('\r\x1b[K')
    isTicking = false
  }
  return {
    isLive,
    state(name, words) {
      clear()
      if (isJson) this.emit({ state: name, message: words })
      else process.stderr.write(`${visible(words)}\n`)
    },
    tick(words) {
      if (!isLive) return
      // A terminal without a size has none, not no columns.
      const columns = process.stderr.columns || 80
      process.stderr.write(`\r\x1b[K${visible(words).slice(0, columns - 1)}`)
      isTicking = true
    },
    print(line) {
      clear()
      if (!isJson) process.stdout.write(`${visible(line)}\n`)
    },
    emit(value) {
      if (isJson) process.stdout.write(`${escaped(JSON.stringify(value))}\n`)
    },
    error(error) {
      clear()
      const known = asProfilerError(error)
      const { code, message, hint, facts } = known
      if (isJson) this.emit({ error: { code, message, hint, facts } })
      process.stderr.write(`sp-flamegraph: ${visible(message)}\n`)
      for (const [name, value] of Object.entries(facts)) {
        const words = Array.isArray(value) ? value.join(', ') : String(value)
        process.stderr.write(`  ${name}: ${visible(words)}\n`)
      }
      process.stderr.write(`  ${hint} (${code})\n`)
      if (!isDebug) return
      for (const line of ((error as Error)?.stack ?? '').split('\n')) {
        process.stderr.write(`${visible(line)}\n`)
      }
    },
  }
}

/** What is not a `ProfilerError` is a fault of ours, and is called so. */
export function asProfilerError(error: unknown): ProfilerError {
  if (error instanceof ProfilerError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new ProfilerError('SP_INTERNAL', message, { cause: error })
}

// C0 and C1, other ends of a line, and marks that show nothing or reorder what stands around them.
const dangerous =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\u{e0000}-\u{e007f}]/gu

function visible(text: string): string {
  return text.replace(dangerous, character => {
    return `\\u{${character.codePointAt(0)!.toString(16)}}`
  })
}

/** The same JSON, with what a terminal might obey as escapes. */
function escaped(json: string): string {
  return json.replace(dangerous, character => {
    const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at))
    return units.map(unit => `\\u${unit.toString(16).padStart(4, '0')}`).join('')
  })
}
