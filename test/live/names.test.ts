// Programs whose hot path is known, captured by the real command: every frame
// has its name, each share is what the program says, and the rate is what was asked.

import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, expect, test } from 'vitest'
import {
  buildGo,
  compile,
  compileRust,
  describeWith,
  start,
  startNode,
  untilBusy,
} from '../apps/apps.ts'
import { type Published, publish } from '../command.ts'

const hertz = 999

type Shares = readonly (readonly [name: string | RegExp, share: number])[]

async function capture(pid: number, ...more: string[]): Promise<Published> {
  await untilBusy(pid)
  // So that a share of 30 % is known to ±3 % when the target has half a core.
  return publish(['record', `${pid}`, '-d', '1.5', '-F', `${hertz}`, ...more])
}

function expectRight({ folded, receipt }: Published, shares: Shares): void {
  for (const [name, share] of shares) {
    expect(folded.share(name), `${name}`).toBeGreaterThan(share * 0.75)
    expect(folded.share(name), `${name}`).toBeLessThan(share * 1.25)
  }
  const { quality, record } = receipt
  expect(quality.unknownAnywhere).toBeLessThanOrEqual(0.05)
  expect(quality.samples / (record.cpuSeconds * hertz)).toBeGreaterThanOrEqual(0.95)
  expect(quality.lost).toBe(0)
}

async function captureProgram(program: string, shares: Shares): Promise<Published> {
  const published = await capture(start(program, ['60']).pid)
  expectRight(published, shares)
  return published
}

describeWith(['perf', 'cc', 'setpriv'], 'C', () => {
  test('is named by its symbol table', async () => {
    const { folded } = await captureProgram(compile('shares'), [
      ['parse', 0.7],
      ['encode', 0.3],
    ])
    expect(folded.share('main')).toBeGreaterThan(0.9)
  })
})

describeWith(['perf', 'c++', 'setpriv', 'objcopy'], 'C++', () => {
  const shares = [
    ['void payments::Codec<payments::Card>::decode<1>(payments::Card const&)', 0.7],
    ['void payments::Codec<payments::Receipt>::decode<2>(payments::Receipt const&)', 0.3],
  ] as const

  test('is named with its namespaces and template arguments', async () => {
    const { folded } = await captureProgram(compile('shares.cpp'), shares)
    expect(folded.share('main')).toBeGreaterThan(0.9)
  })

  test('without symbols is named by the debug file beside it', async () => {
    const program = compile('shares.cpp')
    execFileSync('objcopy', ['--only-keep-debug', program, `${program}.debug`])
    execFileSync('objcopy', ['--strip-all', `--add-gnu-debuglink=${program}.debug`, program])
    const { receipt } = await captureProgram(program, shares)
    expect(receipt.record.symbols).toContainEqual(
      expect.objectContaining({
        module: program,
        sources: expect.arrayContaining(['debug file']),
      }),
    )
  })

  test('without symbols and a debug file is not named, and the reason is counted', async () => {
    const program = compile('shares.cpp')
    execFileSync('objcopy', ['--strip-all', program])
    const { folded, receipt } = await capture(start(program, ['60']).pid)
    expect(folded.has(/decode/)).toBe(false)
    expect(folded.share(/^shares\+0x[0-9a-f]+$/)).toBeGreaterThan(0.9)
    expect(receipt.quality).toMatchObject({
      level: 'do not trust',
      unknownByReason: [{ reason: 'not in the symbol table', share: expect.closeTo(1, 1) }],
    })
  })
})

describeWith(['perf', 'rustc', 'setpriv'], 'Rust', () => {
  test('is named with its type arguments', async () => {
    const program = compileRust('shares', ['-C', 'symbol-mangling-version=v0'])
    await captureProgram(program, [
      ['<shares::payments::Codec<shares::payments::Card>>::decode', 0.7],
      ['<shares::payments::Codec<shares::payments::Receipt>>::decode', 0.3],
      ['shares::main', 1],
    ])
  })
})

describeWith(['perf', 'go', 'setpriv'], 'Go', () => {
  const builds = new Map<string, readonly string[]>([
    ['as it is', []],
    ['without symbols', ['-ldflags=-s -w']],
    ['position-independent', ['-buildmode=pie']],
  ])
  const programs = new Map<string, string>()

  // The first build of all compiles the standard library, which takes a minute on a busy machine.
  beforeAll(() => {
    for (const [title, flags] of builds) programs.set(title, buildGo(flags))
  }, 300_000)

  test.for([...builds.keys()])('built %s is named', async title => {
    await captureProgram(programs.get(title)!, [
      ['main.parse', 0.7],
      ['main.encode', 0.3],
      ['main.main', 1],
      // It has no code of its own: only the tables of the inliner know that it is there.
      ['main.mix_[i]', 1],
    ])
  })
})

describeWith(['perf', 'setpriv'], 'Node.js with a perf map', () => {
  test('is named, JavaScript and native', async () => {
    const target = startNode(60)
    // Until the hot functions are compiled: the interpreter's own frames have no function's name.
    await sleep(1000)
    const published = await capture(target.pid, '--tool=perf')
    expectRight(published, [
      [/\bparse\b.*service\.js/, 0.7],
      [/\bencode\b.*service\.js/, 0.3],
      ['node::Start(int, char**)', 1],
    ])
  })
})
