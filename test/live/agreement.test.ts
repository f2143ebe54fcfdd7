// One recording, read by us and by the tools that everybody trusts: where those
// are right, the weights are the same.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { compile, describeWith, findOnPath } from '../apps/apps.ts'
import { type Folded, readStacks, sp } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

const folder = temporaryFolder()
const recording = path.join(folder, 'perf.data')

function perf(...args: string[]): string {
  return execFileSync('perf', args, {
    cwd: folder,
    maxBuffer: 64 << 20,
    stdio: ['ignore', 'pipe', 'ignore'],
  }).toString()
}

async function fold(input: string): Promise<string> {
  const result = await sp(['render', input, '-f', 'folded', '-o', '-'])
  if (result.code !== 0) throw new Error(result.stderr)
  return result.stdout.toString()
}

/**
 * A frame as every tool would write it: without the kind that we add, the version of a symbol, or
 * what marks the kernel's second name for one function.
 */
function plain(frame: string): string {
  return frame
    .replace(/_\[[kij]\]$/, '')
    .replace(/@@?\w.*$/, '')
    .replace(/^__pi_/, '')
}

describeWith(['perf', 'cc', 'dd'], 'a recording of programs and the kernel', () => {
  let ours: Folded

  beforeAll(async () => {
    const programs = [compile('shares'), compile('burn')]
    // Two programs with known symbols side by side, and one that is in the kernel all the time.
    const script = `${programs[0]} 1 & ${programs[1]} 1 & dd if=/dev/zero of=/dev/null bs=1M count=20000; wait`
    const options = ['-q', '-B', '-N', '-e', 'cpu-clock', '-F', '999', '-g', '-o', recording]
    perf('record', ...options, '--', 'sh', '-c', script)
    ours = readStacks(await fold(recording))
  })

  /** What `perf report` says of each symbol, as shares. */
  function report(column: 'overhead' | 'overhead_children', order: string): Map<string, number> {
    const fields = ['-F', `${column},sym`, '-g', 'none', '--percent-limit', '1']
    const text = perf('report', '-i', recording, '--stdio', '--no-inline', order, ...fields)
    const shares = new Map<string, number>()
    for (const line of text.split('\n')) {
      const [, percent, symbol] = /^ +([\d.]+)% +(?:[\d.]+% +)?\[[.k]\] (.+?) *$/.exec(line) ?? []
      // An address is what perf has no name for.
      if (symbol === undefined || /^(?:0x)?[\da-f]{16,}$/.test(symbol)) continue
      // A line for each file: both programs have a main.
      const name = plain(symbol)
      shares.set(name, (shares.get(name) ?? 0) + Number(percent) / 100)
    }
    return shares
  }

  function expectShares(theirs: ReadonlyMap<string, number>, of: (name: string) => number): void {
    expect(theirs.size).toBeGreaterThan(3)
    for (const [symbol, share] of theirs) {
      // perf prints two digits of a percent, for each of two programs.
      expect(Math.abs(of(symbol) - share), `${symbol}: ${of(symbol)}, ${share}`).toBeLessThan(2e-4)
    }
  }

  test('has the self weights of perf report', () => {
    const self = new Map<string, number>()
    for (const { frames, weight } of ours.stacks) {
      const leaf = plain(frames.at(-1)!)
      self.set(leaf, (self.get(leaf) ?? 0) + weight / ours.total)
    }
    expectShares(report('overhead', '--no-children'), name => self.get(name) ?? 0)
  })

  test('has the total weights of perf report', () => {
    const total = (name: string) => {
      const stacks = ours.stacks.filter(({ frames }) => frames.some(each => plain(each) === name))
      return stacks.reduce((sum, { weight }) => sum + weight, 0) / ours.total
    }
    expectShares(report('overhead_children', '--children'), total)
  })

  test('has the stacks that perf script prints', async () => {
    const text = path.join(folder, 'perf.script')
    fs.writeFileSync(text, perf('script', '-i', recording, '--no-inline'))
    const theirs = readStacks(await fold(text))
    expect(weightsOf(theirs)).toEqual(weightsOf(ours))
  })

  const inferno = findOnPath('inferno-collapse-perf')
  const title = 'has the stacks of the classic collapse'
  test.skipIf(inferno === undefined)(
    inferno === undefined ? `${title} (skipped for want of inferno-collapse-perf)` : title,
    () => {
      const input = perf('script', '-i', recording, '--no-inline')
      const text = execFileSync(inferno!, { input, maxBuffer: 64 << 20 }).toString()
      expect(weightsOf(readStacks(text))).toEqual(weightsOf(ours))
    },
  )

  test('is drawn the same each time', async () => {
    expect(await fold(recording)).toBe(await fold(recording))
  })
})

/**
 * Shares of the distinct stacks that every tool names whole, in parts of a million. The start of the
 * dynamic loader is left out: perf names the function after the one that made the call.
 */
function weightsOf({ stacks, total }: Folded): Map<string, number> {
  const weights = new Map<string, number>()
  for (const { frames, weight } of stacks) {
    const stack = frames.map(plain).join(';')
    if (/\+0x|\[\w+\]|;(?:_start|_dl_start_user);/.test(stack)) continue
    weights.set(stack, (weights.get(stack) ?? 0) + weight)
  }
  const parts = [...weights].map(([stack, weight]) => {
    return [stack, Math.round((weight / total) * 1e6)] as const
  })
  return new Map(parts.sort(([a], [b]) => (a < b ? -1 : 1)))
}
