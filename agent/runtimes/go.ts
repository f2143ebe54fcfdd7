// Go, sampled by perf and named from .gopclntab, which `-s -w` does not strip.
//
// A binary is Go if it has the section .go.buildinfo, which holds the version
// of the toolchain: https://pkg.go.dev/debug/buildinfo
//
// What perf cannot see (allocations, locks), and all of it where perf is not
// permitted, a program tells by itself if it serves net/http/pprof. That it has
// that package stands in its table of functions; which of its ports answers is
// for the driver to find out.

import type { Mode } from '../config.ts'
import { type Elf, sectionBytes, sectionNamed, sectionView } from '../symbolize/elf.ts'
import type { ProcessFacts } from '../target/facts.ts'
import { either, identityGrant } from './attach.ts'
import { reachable } from './endpoints.ts'
import { perfStrategy } from './perf-strategy.ts'
import type { Obstacle, PprofCapture, Privileges, Runtime, Strategy } from './runtime.ts'

const magic = Buffer.from('\xff Go buildinf:', 'latin1')
// Byte 15 of the header; the strings follow it inline, each after its length as a varint (Go 1.18).
const inlineStrings = 2
const headerSize = 32

// The rate is fixed in Go's runtime/pprof.
const pprofHertz = 100

interface Kind {
  readonly profile: PprofCapture['profile']
  readonly event: string
  /** As the profile calls what is drawn, and what is kept beside it. */
  readonly columns: readonly string[]
  /** Of a profile that the program has to be told to fill. */
  readonly switchedOnBy?: string
}

const kinds = new Map<Mode, Kind>([
  ['cpu', { profile: 'profile', event: 'cpu', columns: ['cpu', 'samples'] }],
  ['wall', { profile: 'goroutine', event: 'goroutines', columns: ['goroutine'] }],
  ['alloc', { profile: 'allocs', event: 'allocated', columns: ['alloc_space', 'alloc_objects'] }],
  ['heap', { profile: 'heap', event: 'in use', columns: ['inuse_space', 'inuse_objects'] }],
  [
    'off-cpu',
    {
      profile: 'block',
      event: 'blocking',
      columns: ['delay', 'contentions'],
      switchedOnBy: 'runtime.SetBlockProfileRate',
    },
  ],
  [
    'lock',
    {
      profile: 'mutex',
      event: 'lock contention',
      columns: ['delay', 'contentions'],
      switchedOnBy: 'runtime.SetMutexProfileFraction',
    },
  ],
])

const pprofStrategy: Strategy = {
  name: 'pprof over HTTP',
  tool: 'pprof',
  modes: [...kinds.keys()],
  maxHertz: pprofHertz,
  obstacles: pprofObstacles,
  capture: (facts, _, ask) => {
    const { profile, event, columns } = kinds.get(ask.mode)!
    return {
      ...ask,
      hertz: pprofHertz,
      tool: 'pprof',
      pid: facts.pid,
      event,
      columns,
      countsCpuTime: ask.mode === 'cpu',
      endpoints: facts.listeners.flatMap(reachable),
      identity: facts.argv.join('\0'),
      profile,
    }
  },
}

export const goRuntime: Runtime = {
  name: 'go',
  title: 'Go',

  detect({ elf }: ProcessFacts) {
    const info = elf && sectionBytes(elf, '.go.buildinfo')
    if (info === undefined || !info.subarray(0, magic.length).equals(magic)) return undefined
    return { version: readVersion(info), evidence: 'has the section .go.buildinfo' }
  },

  strategies: [perfStrategy, pprofStrategy],
}

function pprofObstacles(
  facts: ProcessFacts,
  privileges: Privileges,
  ask: { readonly mode: Mode },
): Obstacle[] {
  const obstacles: Obstacle[] = []
  const block = (what: string, grant: string) => obstacles.push({ effect: 'blocks', what, grant })
  if (facts.elf !== undefined && !servesPprof(facts.elf)) {
    block(
      'the program does not contain net/http/pprof',
      'import net/http/pprof and serve it on a port of its own',
    )
  } else if (!facts.sharesNetwork) {
    block(
      'the network namespace of the target is not ours',
      'run in the pod of the target, which shares its network',
    )
  } else if (facts.listeners.length === 0) {
    const serve = 'serve net/http/pprof on a port'
    const see = either(
      identityGrant(facts, privileges),
      'add the capabilities SYS_PTRACE and DAC_READ_SEARCH',
    )
    block(
      'the target listens on no TCP port that can be seen',
      facts.denied.includes('fd') ? `${serve}; to see its ports, ${see}` : serve,
    )
  }
  const by = kinds.get(ask.mode)?.switchedOnBy
  if (by !== undefined) {
    obstacles.push({
      effect: 'degrades',
      what: 'Go fills this profile only when the program has switched it on',
      grant: `call ${by} in the program`,
    })
  }
  return obstacles
}

// 1 MB at a time; the names of the largest programs are some 20 MB of a table of 100.
const searchStep = 1 << 20
const maxSearch = 256 << 20
const handler = Buffer.from('\0net/http/pprof.Index\0')

/** Whether the handlers are linked in. Where the table of functions cannot be found, they may be. */
function servesPprof(elf: Elf): boolean {
  const section =
    sectionNamed(elf, '.gopclntab') ?? sectionNamed(elf, '.data.rel.ro.gopclntab') ?? undefined
  const table = section && sectionView(elf, section)
  if (table === undefined) return true
  for (let at = 0; at < Math.min(table.size, maxSearch); at += searchStep) {
    if (table.read(at, searchStep + handler.length).includes(handler)) return true
  }
  return false
}

function readVersion(info: Buffer): string {
  if ((info[15]! & inlineStrings) === 0) return 'unknown'
  // `go1.26.8` and its like are shorter than 128, so the varint is one byte.
  const length = info[headerSize] ?? 0
  const text = info.toString('utf8', headerSize + 1, headerSize + 1 + (length & 0x7f))
  return /^(?:go|devel )([\w.+ -]+)/.exec(text)?.[1] ?? 'unknown'
}
