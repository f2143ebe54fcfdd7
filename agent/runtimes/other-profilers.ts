// What else is at work in a target: a profiler that is there already, a debugger,
// a place where nothing can be put. They are said, and left alone.
//
// The trap: another perf leaves no trace in the process that it samples. Two of
// them do not disturb each other, but nobody can see that there are two.

import type { ProcessFacts } from '../target/facts.ts'

/** Libraries of profilers that live in their target. By their file's name, which they keep when copied. */
const libraries: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\/libasyncProfiler[^/]*\.so/, 'async-profiler'],
  [/\/libjprofilerti\.so/, 'JProfiler'],
  [/\/libyjpagent\.so/, 'YourKit'],
  [/\/libdd_profiling[^/]*\.so|\/libddup[^/]*\.so|\/_ddup[^/]*\.so/, "Datadog's profiler"],
  [/\/libpyroscope[^/]*\.so|\/pyroscope[^/]*\.so/, 'Pyroscope'],
  [/\/Pyroscope\.Profiler\.Native\.so/, 'Pyroscope'],
  [/\/libnewrelic[^/]*\.so/, 'New Relic'],
]

// Where V8's inspector listens unless it is told otherwise.
const inspectorPort = 9229

/** In sentences, for people. */
export function otherProfilers(facts: ProcessFacts): string[] {
  const notes: string[] = []
  if (facts.tracerPid !== 0) {
    notes.push(
      `process ${facts.tracerPid} traces it: its memory can be read, but nothing can attach to it`,
    )
  }
  for (const [pattern, name] of libraries) {
    if (facts.mappedFiles.some(file => pattern.test(file))) notes.push(`${name} is loaded in it`)
  }
  if (facts.listeners.some(({ port }) => port === inspectorPort)) {
    notes.push(`it listens on port ${inspectorPort}: an inspector is open in it`)
  }
  return notes
}

/** Of strategies that put a file into the target's /tmp: whether it takes one, and lets it be loaded. */
export function placeNotes(facts: ProcessFacts): string[] {
  const mount = facts.mountAt('/tmp')
  if (mount?.isReadOnly) return ['its /tmp is read-only: nothing can be put there']
  return mount?.isNoExec ? ['its /tmp is noexec: no library can be loaded from there'] : []
}
