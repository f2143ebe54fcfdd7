// What stands in the way of asking a node over its distribution, and where its cookie is.

import { describe, expect, test } from 'vitest'
import { weigh } from '../../agent/plan/plan.ts'
import { optionOf } from '../../agent/runtimes/erlang-arguments.ts'
import { findCookie } from '../../agent/runtimes/erlang-cookie.ts'
import { fingerprint } from '../../agent/runtimes/index.ts'
import type { CaptureAsk, Privileges } from '../../agent/runtimes/runtime.ts'
import { type ProcessFacts, withFacts } from '../../agent/target/facts.ts'
import { everything } from '../privileges.ts'

const beam = '/usr/lib/erlang/erts-13.1.5/bin/beam.smp'
const usual = ['--', '-root', '/usr/lib/erlang', '--', '-home', '/home/app', '--']
const cookie = 'TOPSECRET'

/** A node of uid 1000 with a cookie in its home folder, made of our own facts. */
function withNode<T>(changes: Partial<ProcessFacts>, use: (facts: ProcessFacts) => T): T {
  return withFacts(process.pid, facts =>
    use({
      ...facts,
      uid: 1000,
      gid: 1000,
      executable: beam,
      mappedFiles: [beam],
      elf: undefined,
      argv: [beam, ...usual, '-sname', 'shop', '-noshell'],
      sharesNetwork: true,
      listeners: [{ address: '0.0.0.0', port: 35401 }],
      environment: () => undefined,
      kindOf: path => (path === '/home/app/.erlang.cookie' ? 'file' : undefined),
      readFile: path => (path === '/home/app/.erlang.cookie' ? Buffer.from(cookie) : undefined),
      ...changes,
    }),
  )
}

interface Case {
  readonly facts?: Partial<ProcessFacts>
  readonly privileges?: Partial<Privileges>
  readonly ask?: Partial<CaptureAsk>
}

function weighed({ facts = {}, privileges = {}, ask = {} }: Case) {
  return withNode(facts, node => {
    const whole = { mode: 'wall', hertz: 49, durationMs: 1000, allowRemoteEval: true, ...ask }
    return weigh(node, fingerprint(node)[0]!, { ...everything, ...privileges }, whole as CaptureAsk)
  })
}

function obstacles(each: Case) {
  return weighed(each).find(({ strategy }) => strategy.tool === 'erl-dist')!.obstacles
}

describe('the distribution', () => {
  test('is open where it was allowed, and all of it is there', () => {
    expect(obstacles({})).toEqual([])
    expect(obstacles({ ask: { mode: 'cpu' } })).toMatchObject([{ effect: 'degrades' }])
  })

  test.for([
    [
      'nobody allowed it',
      { ask: { allowRemoteEval: false } },
      /^the cookie of a node is the right/,
    ],
    [
      'it is over TLS',
      { facts: { argv: [beam, '-proto_dist', 'inet_tls', '-sname', 'a', '-setcookie', 'c'] } },
      /over TLS \(-proto_dist inet_tls\), which is not spoken/,
    ],
    ['it is off', { facts: { listeners: [] } }, /listens on no TCP port/],
    ['it is in another network', { facts: { sharesNetwork: false } }, /network namespace/],
    [
      'the node is too old',
      { facts: { executable: '/usr/lib/erlang/erts-10.7/bin/beam.smp' } },
      /older than OTP 23/,
    ],
    ['the cookie may not be read', { facts: { readFile: () => undefined } }, /cannot be read$/],
    ['there is no cookie', { facts: { kindOf: () => undefined } }, /there is no cookie in its/],
    ['its cookie is a link', { facts: { kindOf: () => 'link' } }, /is a symbolic link/],
    ['its files are closed', { privileges: { canReadFiles: false } }, /files of process/],
  ] as const satisfies readonly (readonly [string, Case, RegExp])[])(
    'is blocked where %s, and says what to grant',
    ([, each, words]) => {
      const found = obstacles(each)
      expect(found).toMatchObject([{ effect: 'blocks', what: expect.stringMatching(words) }])
      expect(found[0]!.grant).not.toBe('')
      expect(JSON.stringify(found)).not.toContain(cookie)
    },
  )

  test('is no way before perf where the JIT writes its map, and is one where it does not', () => {
    const order = (argv: readonly string[]) =>
      weighed({ facts: { argv }, ask: { mode: 'cpu' } }).map(({ strategy }) => strategy.tool)
    expect(order([beam, '-JPperf', 'true', '-sname', 'a'])).toEqual(['perf', 'erl-dist'])
    expect(order([beam, '-sname', 'a'])).toEqual(['erl-dist', 'perf'])
  })

  test('is described without the cookie', () => {
    withNode({}, node => {
      const [first] = weighed({})
      const ask = { mode: 'cpu', hertz: 49, durationMs: 1000 } as const
      const text = JSON.stringify(first!.strategy.capture(node, everything, ask))
      expect(text).toContain('"endpoints":[{"address":"127.0.0.1","port":35401}]')
      expect(text).not.toContain(cookie)
    })
  })
})

describe('the cookie', () => {
  const found = (changes: Partial<ProcessFacts>) => withNode(changes, findCookie)

  test.for([
    ['in the arguments', { argv: [beam, '-setcookie', 'A', '-x'] }, 'A', '-setcookie'],
    ["in those of Elixir's", { argv: [beam, '-extra', '--cookie', 'B'] }, 'B', '--cookie'],
    [
      'in the environment of a release',
      { environment: (name: string) => (name === 'RELEASE_COOKIE' ? 'C' : undefined) },
      ...['C', 'RELEASE_COOKIE'],
    ],
    [
      'in the folder of settings',
      {
        kindOf: (path: string) => (path.includes('.config') ? 'file' : undefined),
        readFile: () => Buffer.from('D\n'),
      } as Partial<ProcessFacts>,
      ...['D', '/home/app/.config/erlang/.erlang.cookie'],
    ],
    ['in its home folder', {}, cookie, '/home/app/.erlang.cookie'],
  ] as const)('%s is found', ([, changes, value, from]) => {
    expect(found(changes)).toEqual({ value, from })
  })

  test.for([
    ['for one node only', { argv: [beam, ...usual, '-setcookie', 'x@y', 'A', '-z'] }, cookie],
    ['that is no text', { readFile: () => Buffer.from('\x01') }, 'is no cookie'],
    ['of a thousand letters', { readFile: () => Buffer.alloc(1000, 'a') }, 'is no cookie'],
    ['of nobody who has a home', { argv: [beam] }, 'its home folder'],
  ] as const)('one %s is none', ([, changes, words]) => {
    expect(JSON.stringify(found(changes))).toContain(words)
  })
})

test('what belongs to the program is no option of the emulator', () => {
  expect(optionOf([beam, '-sname', 'a', '-extra', '-setcookie', 'b'], '-setcookie')).toBe(undefined)
})
