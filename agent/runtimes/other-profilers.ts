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
  [/\/libyjpagent[^/]*\.so/, 'YourKit'],
  [/\/libperfmap\.so/, 'perf-map-agent'],
  [/\/libjavaProfiler[^/]*\.so/, "Datadog's profiler"],
  [/\/libdd_profiling[^/]*\.so|\/libddup[^/]*\.so|\/_ddup[^/]*\.so/, "Datadog's profiler"],
  [/\/@datadog\/pprof\/|\/datadog[-_]profiling[^/]*\.so/, "Datadog's profiler"],
  [/\/Datadog\.Profiler\.Native\.so/, "Datadog's profiler"],
  [/\/libpyroscope[^/]*\.so|\/pyroscope[^/]*\.so/, 'Pyroscope'],
  [/\/Pyroscope\.Profiler\.Native\.so/, 'Pyroscope'],
  [/\/libnewrelic[^/]*\.so/, 'New Relic'],
]

// Of a JVM that has recorded; the kernel cuts the rest. It stays when the recording has ended.
const flightRecorder = 'JFR Recorder Th'

/** The profilers whose libraries are mapped. */
function profilersIn({ mappedFiles }: Pick<ProcessFacts, 'mappedFiles'>): string[] {
  return libraries.flatMap(([pattern, name]) => {
    return mappedFiles.some(file => pattern.test(file)) ? [name] : []
  })
}

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
  for (const name of new Set(profilersIn(facts))) notes.push(`${name} is loaded in it`)
  if (facts.threadNames.some(name => name.startsWith(flightRecorder))) {
    notes.push('the Flight Recorder is at work in it, or has been: it samples on beside anything')
  }
  if (facts.listeners.some(({ port }) => port === inspectorPort)) {
    notes.push(`it listens on port ${inspectorPort}: an inspector is open in it`)
  }
  return notes
}

/**
 * Who handles a signal by which a library of ours would sample: a second handler takes it away from the
 * first. Undefined where nobody does, or where an async-profiler has, which is asked itself.
 */
export function holderOfSignal(
  facts: Pick<ProcessFacts, 'caughtSignals' | 'mappedFiles'>,
  signal: number,
): string | undefined {
  if ((facts.caughtSignals & (1n << BigInt(signal - 1))) === 0n) return undefined
  const names = new Set(profilersIn(facts))
  if (names.has('async-profiler')) return undefined
  return names.size > 0 ? [...names].join(' and ') : 'a profiler that is not known here'
}

/** Of strategies that put a file into the target's /tmp: whether it takes one, and lets it be loaded. */
export function placeNotes(facts: ProcessFacts): string[] {
  const mount = facts.mountAt('/tmp')
  if (mount?.isReadOnly) return ['its /tmp is read-only: nothing can be put there']
  return mount?.isNoExec ? ['its /tmp is noexec: no library can be loaded from there'] : []
}
