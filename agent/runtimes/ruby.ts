// CRuby, sampled from outside with rbspy: https://rbspy.github.io
//
// A process is Ruby if it maps libruby, or if its executable is a ruby (the
// interpreter is linked into it then). Puma and Sidekiq rewrite their command
// line, so that says nothing.
//
// The traps: rbspy knows exact patch versions and refuses any other, though the
// layout in memory seldom changes within a minor version, so a newer patch is
// read as the newest one that it knows. And perf sees only the interpreter's own
// functions, so as a fall-back it is honest only with YJIT's perf map.

import type { ProcessFacts } from '../target/facts.ts'
import { type MemoryReader, memoryReaderObstacles } from './memory-reader.ts'
import { degraded, perfStrategy } from './perf-strategy.ts'
import type { CaptureAsk, Obstacle, Privileges, Runtime, Strategy } from './runtime.ts'

const libruby = /\/libruby[^/]*\.so(?:\.(?<version>\d+\.\d+(?:\.\d+)?))?$/
const ruby = /\/ruby(?<version>\d\.\d+)?$/
/** Of `ruby_description`: "ruby 3.1.2p20 (2022-04-12 revision …", "ruby 3.4.0rc1 (…", "ruby 3.5.0dev (…". */
const description =
  /ruby (?<version>\d+\.\d+\.\d+)(?:p\d+|(?<pre>(?:preview|rc)\d+|dev))? ?\(20\d\d-/

// rbspy 0.55.0: the newest patch of each minor version; each has all the older ones as well.
const known: ReadonlyMap<string, number> = new Map([
  ['1.9', 3],
  ['2.0', 0],
  ['2.1', 10],
  ['2.2', 10],
  ['2.3', 8],
  ['2.4', 10],
  ['2.5', 9],
  ['2.6', 10],
  ['2.7', 8],
  ['3.0', 7],
  ['3.1', 7],
  ['3.2', 11],
  ['3.3', 13],
  ['3.4', 12],
  ['4.0', 9],
])

const rbspyStrategy: Strategy = {
  name: 'rbspy',
  tool: 'rbspy',
  modes: ['cpu', 'wall'],
  // Measured: 2,970 of 2,997 with a stack of three; deeper ones cost more, and that is counted.
  maxHertz: 999,
  obstacles: rbspyObstacles,
  capture: (facts, { tools }, ask) => ({
    ...ask,
    tool: 'rbspy',
    toolPath: tools.get('rbspy')!,
    pid: facts.pid,
    event: ask.mode === 'cpu' ? 'runnable Ruby thread' : 'Ruby thread, running or not',
    countsCpuTime: ask.mode === 'cpu',
    forceVersion: standIn(versionOf(facts)),
    pause: ask.pause === true,
  }),
}

export const rubyRuntime: Runtime = {
  name: 'ruby',
  title: 'Ruby',

  detect(facts) {
    const found = interpreterOf(facts)
    if (found === undefined) return undefined
    return { version: versionOf(facts), evidence: found.evidence }
  },

  strategies: [
    rbspyStrategy,
    degraded(
      perfStrategy,
      "perf sees the interpreter's C functions, not the Ruby methods",
      'grant what rbspy needs, or start with `--yjit-perf` (Ruby 3.3 or newer)',
      facts => !hasOption(facts, /^--yjit-perf(?:=(?:map|fp))?$/),
    ),
  ],
}

function interpreterOf({ mappedFiles, executable }: ProcessFacts) {
  const library = mappedFiles.find(path => libruby.test(path))
  if (library !== undefined) {
    const { version } = libruby.exec(library)!.groups!
    const evidence = `maps ${library.slice(library.lastIndexOf('/') + 1)}`
    return { path: library, version, evidence }
  }
  const binary = ruby.exec(executable ?? '')
  if (binary === null) return undefined
  return { path: executable!, version: binary.groups!.version, evidence: `runs ${executable}` }
}

/** `3.1.2`, `3.4.0rc1`; less where the file does not tell, and `unknown` where its name does not either. */
function versionOf(facts: ProcessFacts): string {
  const found = interpreterOf(facts)
  const exact = found && facts.search(found.path, description)?.groups
  return exact ? `${exact.version}${exact.pre ?? ''}` : (found?.version ?? 'unknown')
}

/** The newest patch that rbspy knows, for a newer one of the same minor version; undefined where none is needed. */
function standIn(version: string): string | undefined {
  const [, minor, patch, pre] = /^(\d+\.\d+)\.(\d+)(.*)$/.exec(version) ?? []
  const newest = known.get(minor ?? '')
  if (newest === undefined) return undefined
  return Number(patch) > newest ? `${minor}.${newest}` : pre === '' ? undefined : `${minor}.0`
}

const rbspy: MemoryReader = {
  tool: 'rbspy',
  install: 'install it with `cargo install rbspy --locked`, or use the sp-profiler image',
}

function rbspyObstacles(facts: ProcessFacts, privileges: Privileges, ask: CaptureAsk): Obstacle[] {
  const obstacles = memoryReaderObstacles(rbspy, facts, privileges, ask)
  const version = versionOf(facts)
  const minor = /^\d+\.\d+/.exec(version)?.[0]
  const instead = standIn(version)
  if (minor !== undefined && !known.has(minor)) {
    obstacles.push({
      effect: 'blocks',
      what: `rbspy does not know Ruby ${minor}`,
      grant: 'a newer rbspy, or `--yjit-perf` and `--tool perf`',
    })
  } else if (instead !== undefined) {
    obstacles.push({
      effect: 'degrades',
      what: `rbspy does not know Ruby ${version}, and reads it as ${instead}`,
      grant: 'a newer rbspy, if the names look wrong',
    })
  }
  if (hasOption(facts, /^--(?:yjit|jit)$/) || facts.environment('RUBY_YJIT_ENABLE') === '1') {
    obstacles.push({
      effect: 'degrades',
      what: 'YJIT is on: functions are named as without it, time in compiled code is not told apart',
      grant: '`--yjit-perf` and `--tool perf` (Ruby 3.3 or newer), where that matters',
    })
  }
  return obstacles
}

/** On the command line or in RUBYOPT. */
function hasOption({ argv, environment }: ProcessFacts, option: RegExp): boolean {
  return [...argv, ...(environment('RUBYOPT') ?? '').split(/\s+/)].some(each => option.test(each))
}
