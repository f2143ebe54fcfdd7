// What a person at a terminal, a log and a program get to see.
//
// Progress goes to stderr: one line that updates on a terminal, one line a
// state on a pipe. The result goes to stdout. With `--json` stdout is JSON lines
// and nothing else. A target chooses its own name, so nothing reaches a
// terminal before control characters, which could rewrite it, are made visible.

import { ProfilerError } from '../errors.ts'

export interface Terminal {
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
    state(name, words) {
      clear()
      if (isJson) this.emit({ state: name, message: words })
      else process.stderr.write(`${visible(words)}\n`)
    },
    tick(words) {
      if (!isLive) return
      process.stderr.write(`\r\x1b[K${visible(words).slice(0, (process.stderr.columns ?? 80) - 1)}`)
      isTicking = true
    },
    print(line) {
      clear()
      if (!isJson) process.stdout.write(`${visible(line)}\n`)
    },
    emit(value) {
      if (isJson) process.stdout.write(`${JSON.stringify(value)}\n`)
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
      if (isDebug) process.stderr.write(`${visible((error as Error)?.stack ?? '')}\n`)
    },
  }
}

/** What is not a `ProfilerError` is a fault of ours, and is called so. */
export function asProfilerError(error: unknown): ProfilerError {
  if (error instanceof ProfilerError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new ProfilerError('SP_INTERNAL', message, { cause: error })
}

// C0 but newline and tab, C1, and the marks that reorder text.
const dangerous = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

function visible(text: string): string {
  return text.replace(dangerous, character => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
