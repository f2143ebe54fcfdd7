// What stands in the way of the inspector, from facts as they may be. Everything is
// known before a signal is sent.

import { describe, expect, test } from 'vitest'
import { denoRuntime } from '../../agent/runtimes/deno.ts'
import { nodeRuntime } from '../../agent/runtimes/node.ts'
import type { InspectorCapture, Privileges } from '../../agent/runtimes/runtime.ts'
import { type ProcessFacts, withFacts } from '../../agent/target/facts.ts'
import { everything } from '../privileges.ts'

const ask = { mode: 'cpu', hertz: 99, durationMs: 1000 } as const
const inspector = nodeRuntime.strategies[0]!

const root: Privileges = { ...everything, tools: new Map([['perf', '/usr/bin/perf']]) }

/** A Node process of uid 1000, made of our own facts: what is not said stays true. */
function node(more: Partial<ProcessFacts> = {}): ProcessFacts {
  return withFacts(process.pid, facts => ({
    ...facts,
    uid: 1000,
    executable: '/usr/bin/node',
    mappedFiles: [],
    argv: ['node', 'server.js'],
    caughtSignals: 0x4602n,
    threadNames: ['node'],
    listeners: [],
    sockets: [],
    children: [],
    sharesNetwork: true,
    environment: () => undefined,
    search: () => undefined,
    hasFile: () => false,
    ...more,
  }))
}

function what(facts: Partial<ProcessFacts>, privileges: Partial<Privileges> = {}, more = {}) {
  return inspector
    .obstacles(node(facts), { ...root, ...privileges }, { ...ask, ...more })
    .map(obstacle => `${obstacle.effect}: ${obstacle.what}; ${obstacle.grant}`)
}

const listening = (port: number, address = '127.0.0.1') => {
  return { address, port, state: 'listening', inode: 7 } as const
}
const child = (pid: number, cpuTicks: number, environment: Record<string, string>) => {
  return { pid, cpuTicks, environment: (name: string) => environment[name] }
}

describe('nothing stands in the way', () => {
  test('of a Node process that catches the signal', () => {
    expect(what({})).toEqual([])
  })

  test.for([
    ['a port of another address', { sockets: [listening(9229, '10.0.0.7')] }],
    ['another port', { sockets: [listening(9230)] }],
    [
      'a connection on the port that is over',
      { sockets: [{ ...listening(9229), state: 'other' as const }] },
    ],
    ['children that are no workers', { children: [child(8, 1, { PATH: '/bin' })] }],
    ['an option of the program’s own', { argv: ['node', 'server.js', '--disable-sigusr1'] }],
  ] as const)('of %s', ([, facts]) => {
    expect(what(facts)).toEqual([])
  })

  test('of an inspector that is open, and no signal is needed', () => {
    const open = { listeners: [listening(9229)], sockets: [listening(9229)], caughtSignals: 0n }
    expect(what(open, { canSignal: false })).toEqual([])
  })
})

describe('it is blocked', () => {
  test.for([
    ['that does not catch the signal', { caughtSignals: 0x4402n }, 'does not catch SIGUSR1'],
    [
      'with --disable-sigusr1, even if it catches the signal',
      { argv: ['node', '--no-warnings', '--disable-sigusr1', 'server.js'] },
      '--disable-sigusr1',
    ],
    [
      'with the option in NODE_OPTIONS',
      {
        environment: (name: string) => (name === 'NODE_OPTIONS' ? '--disable-sigusr1' : undefined),
      },
      '--disable-sigusr1',
    ],
    ['whose port is taken', { sockets: [listening(9229)] }, 'port 9229.*is taken'],
    [
      'whose port is taken on all addresses',
      { sockets: [listening(9229, '::')] },
      'port 9229.*is taken',
    ],
    [
      'whose port is another one, and taken',
      {
        argv: ['node', '-r', 'dotenv', '--inspect-port', '9300', 'a.js'],
        sockets: [listening(9300)],
      },
      'port 9300.*is taken',
    ],
    ['in another network', { sharesNetwork: false }, 'another network namespace'],
    ['that a debugger holds', { tracerPid: 4711 }, 'is traced by process 4711'],
    [
      'that is the primary of a cluster',
      { children: [child(8, 10, { NODE_UNIQUE_ID: '1' }), child(9, 90, { NODE_UNIQUE_ID: '2' })] },
      'primary of a cluster of 2.*process 9.*record 9',
    ],
    [
      'to whose inspector somebody is connected',
      {
        listeners: [listening(9229)],
        sockets: [listening(9229), { ...listening(9229), state: 'connected' as const }],
      },
      'somebody is connected',
    ],
    [
      'whose inspector is on another address',
      {
        argv: ['node', '--inspect=10.0.0.7:9229', 'a.js'],
        listeners: [listening(9229, '10.0.0.7')],
      },
      'listens on 10.0.0.7',
    ],
    [
      'that does not publish its address',
      { argv: ['node', '--inspect-publish-uid=stderr', 'a.js'] },
      '--inspect-publish-uid',
    ],
  ] as const)('for a process %s', ([, facts, words]) => {
    const [first, ...rest] = what(facts)
    expect(first).toMatch(new RegExp(`^blocks: .*${words}`))
    expect(rest).toEqual([])
  })

  test('where no signal may be sent, and KILL is what to grant', () => {
    expect(what({}, { canSignal: false })).toEqual([
      expect.stringMatching(/^blocks: .*uid 1000, or add the capability KILL$/),
    ])
  })

  test('where children may be workers and cannot be read', () => {
    const unreadable = { canReadFiles: false, canAttach: false }
    expect(what({ children: [child(8, 1, {})], sharesNetwork: false }, unreadable)).toEqual([
      expect.stringContaining('may be the primary of a cluster'),
    ])
  })
})

test('a rate that V8 cannot give is said before', () => {
  expect(what({}, {}, { hertz: 999 })).toEqual([
    expect.stringMatching(/^degrades: .*about 900 samples a second, not 999/),
  ])
})

test.for([
  ['that we would open', {}],
  ['that is open', { listeners: [{ address: '127.0.0.1', port: 9229 }] }],
] as const)('another CPU profile at work is left alone, with an inspector %s', ([, changes]) => {
  const facts = { threadNames: ['node', 'v8:ProfEvntProc'], ...changes }
  expect(what(facts)).toEqual([
    expect.stringMatching(/^blocks: another CPU profile .* is left alone/),
  ])
  const asked = { tool: 'inspector' } as const
  expect(what(facts, {}, asked)).toEqual([expect.stringMatching(/^degrades: another CPU profile/)])
})

describe('with native code', () => {
  const captureOf = (privileges: Partial<Privileges>) => {
    const all = { ...root, ...privileges }
    return inspector.capture(node(), all, { ...ask, native: true }) as InspectorCapture
  }

  test('perf runs beside it', () => {
    expect(captureOf({}).perf).toMatchObject({ tool: 'perf', hertz: 99 })
  })

  test('and no perf it runs alone, and that is said', () => {
    expect(what({}, { tools: new Map() }, { native: true })).toEqual([
      expect.stringMatching(/^degrades: native code is left out: perf is not installed/),
    ])
    expect(captureOf({ tools: new Map() }).perf).toBeUndefined()
  })
})

describe('a Node process whose files may not be read', () => {
  const hidden = { executable: undefined, mappedFiles: [], elf: undefined }

  test.for([
    ['by its arguments', { argv: ['/usr/local/bin/node', 'server.js'] }],
    [
      'by a thread of Node 24, whatever its title is',
      { argv: ['shop api'], threadNames: ['SignalInspector'] },
    ],
  ] as const)('is known %s', ([, facts]) => {
    const found = nodeRuntime.detect(node({ ...hidden, ...(facts as Partial<ProcessFacts>) }))
    expect(found).toMatchObject({ version: 'unknown' })
  })

  test.for(['/usr/bin/node-exporter', 'anode', 'python3', ''])('is not known by %s', first => {
    expect(nodeRuntime.detect(node({ ...hidden, argv: [first] }))).toBeUndefined()
  })

  test('that may be read is known by what it runs, not by what it says', () => {
    expect(nodeRuntime.detect(node({ executable: '/usr/bin/sleep' }))).toBeUndefined()
  })
})

test.for([
  [['deno', 'run', '--v8-flags=--perf-basic-prof', 'a.ts'], 0],
  [['deno', 'run', 'a.ts'], 1],
] as const)('Deno needs a perf map for names: %s', ([argv, count]) => {
  const facts = node({ executable: '/usr/bin/deno', argv: [...argv] })
  const found = denoRuntime.strategies[0]!.obstacles(facts, root, ask)
  expect(found.filter(({ what }) => what.includes('no perf map'))).toHaveLength(count)
})
