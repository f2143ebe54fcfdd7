// A series of a real process that does something else in each window.

import fs from 'node:fs'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { compile, describeWith, start, untilBusy } from '../apps/apps.ts'
import {
  linesOf,
  type Published,
  type Running,
  readPublished,
  readStacks,
  sp,
  startCommand,
} from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

const small = ['-d', '1', '-F', '199', '--json']

interface Begun {
  readonly pid: number
  readonly running: Running
  /** From one function to the other. */
  turn(): void
}

async function begin(args: readonly string[]): Promise<Begun> {
  const { pid } = start(compile('phases', ['-fno-optimize-sibling-calls']), ['120'])
  await untilBusy(pid)
  const to = `--to=file:${temporaryFolder()}`
  const running = startCommand(['record', `${pid}`, ...small, to, ...args])
  return { pid, running, turn: () => void process.kill(pid, 'SIGUSR1') }
}

function waitingFor({ running }: Begun, window: number): Promise<void> {
  return running.saying(new RegExp(`Window ${window}( of \\d+)? begins in`))
}

// biome-ignore lint/suspicious/noExplicitAny: a test looks at the part that it is about
function jsonOf({ read }: Published, name: string): any {
  return JSON.parse(read(name).toString())
}

function names({ receipt }: Published): string[] {
  return receipt.files.map(({ name }: { name: string }) => name)
}

describeWith(['perf', 'cc', 'setpriv'], 'a series', () => {
  test('has each window as a column, their sum, and what changed between any two', async () => {
    const begun = await begin(['--windows', '3', '--every', '4s', '-f', 'svg,folded,json,pprof'])
    await waitingFor(begun, 2)
    begun.turn()
    await waitingFor(begun, 3)
    begun.turn()
    const published = readPublished(await begun.running.result)
    const { read, folded, lines } = published
    expect(names(published)).toEqual([
      'flame.svg',
      'profile.folded',
      'summary.json',
      'profile.pb.gz',
      'window-1.folded',
      'window-2.folded',
      'window-3.folded',
      'diff-1-2.folded',
      'diff-1-2.json',
      'diff-1-3.folded',
      'diff-1-3.json',
      'diff-2-3.folded',
      'diff-2-3.json',
      'manifest.json',
    ])
    const windows = [1, 2, 3].map(window => readStacks(read(`window-${window}.folded`).toString()))
    for (const [at, other] of [1, 0, 1].entries()) {
      const [mine, its] = [
        ['parse_orders', 'retry_payment'],
        ['retry_payment', 'parse_orders'],
      ][1 - other]!
      expect(windows[at]!.share(mine!)).toBeGreaterThan(0.9)
      expect(windows[at]!.share(its!)).toBe(0)
    }
    expect(folded.total).toBe(windows.reduce((sum, { total }) => sum + total, 0))

    const diff = jsonOf(published, 'diff-1-2.json')
    expect(diff.appeared.functions[0].name).toBe('retry_payment')
    expect(diff.gone.functions[0].name).toBe('parse_orders')
    expect(diff.bySelf[0].self).toMatchObject({ isClear: true, perSecond: expect.anything() })
    expect(diff.before).toMatchObject({ name: 'window 1', weight: windows[0]!.total })
    const two = read('diff-1-2.folded').toString()
    expect(two).toMatch(/;parse_orders [1-9]\d* 0\n/)
    expect(two).toMatch(/;retry_payment 0 [1-9]\d*\n/)

    const manifest = jsonOf(published, 'manifest.json')
    expect(manifest.asked.windows).toEqual({ offsetsMs: [0, 4000, 8000] })
    for (const { windows: told } of [manifest, jsonOf(published, 'summary.json')]) {
      expect(told).toHaveLength(3)
      for (const [at, { startedAt, durationMs, samples, quality }] of told.entries()) {
        expect(new Date(startedAt).toISOString()).toBe(startedAt)
        expect(durationMs).toBeGreaterThanOrEqual(1000)
        expect(samples).toBe(windows[at]!.total)
        expect(quality.samples).toBe(samples)
      }
    }
    expect(read('flame.svg').toString()).toContain('In the picture: window 2, ')
    const said = lines.flatMap(({ message }) => message ?? []).join('\n')
    for (const window of [1, 2, 3])
      expect(said).toContain(`Window ${window} of 3: Sampling process`)
  })

  test('keeps the windows of a target that ends', async () => {
    const begun = await begin(['--windows', '0s,3s,60s', '-f', 'folded'])
    await waitingFor(begun, 3)
    process.kill(begun.pid, 'SIGKILL')
    const published = readPublished(await begun.running.result)
    expect(names(published).filter(name => name.startsWith('window'))).toHaveLength(2)
    const { remarks } = published.receipt.record
    expect(remarks).toContain('The target ended before window 3 began.')
  })

  test('goes on until it is stopped', async () => {
    const begun = await begin(['--every', '3s', '-f', 'folded,json'])
    await waitingFor(begun, 3)
    begun.running.child.kill('SIGINT')
    const published = readPublished(await begun.running.result)
    expect(published.receipt.windows).toHaveLength(2)
    expect(published.receipt.record.asked.windows).toEqual({ everyMs: 3000 })
    expect(published.receipt.record.remarks).toContain('Stopped before window 3 began.')
    expect(published.receipt.differences).toHaveLength(1)
  })

  test('has a window in which nothing ran as one that gave nothing', async () => {
    const begun = await begin(['--windows', '3', '--every', '4s', '-f', 'folded,json'])
    await waitingFor(begun, 2)
    process.kill(begun.pid, 'SIGSTOP')
    await waitingFor(begun, 3)
    process.kill(begun.pid, 'SIGCONT')
    const published = readPublished(await begun.running.result)
    expect(names(published)).not.toContain('window-2.folded')
    const [one, two, three] = published.receipt.windows
    expect([one.weight > 0, two.weight, three.weight > 0]).toEqual([true, 0, true])
    expect(two.quality.level).toBe('do not trust')
    expect(published.receipt.record.remarks.join()).toMatch(
      /Window 2: It gave nothing: .*no sample/,
    )
    expect(jsonOf(published, 'diff-1-2.json').headline).toContain('window 2 is empty')
  })

  test('into one file is the sum', async () => {
    const file = path.join(temporaryFolder(), 'sum.folded')
    const begun = await begin(['--windows', '2', '-o', file])
    const { receipt } = linesOf(await begun.running.result).at(-1)!
    expect(receipt.files).toHaveLength(1)
    const sum = receipt.windows.reduce(
      (all: number, { weight }: { weight: number }) => all + weight,
      0,
    )
    expect(readStacks(fs.readFileSync(file, 'utf8')).total).toBe(sum)
  })

  test('is captured by a daemon as well', async () => {
    const state = path.join(temporaryFolder(), 'state')
    const daemon = startCommand(['serve', `--state=${state}`, '--listen=off'])
    onTestFinished(async () => {
      daemon.child.kill('SIGTERM')
      await daemon.result
    })
    await daemon.saying('the door is open')
    const begun = await begin(['--windows', '0s,4s', '-f', 'folded,json', `--state=${state}`])
    await waitingFor(begun, 2)
    begun.turn()
    const published = readPublished(await begun.running.result)
    expect(published.receipt.record.requester).toBe('token')
    expect(names(published)).toContain('diff-1-2.json')
    expect(published.receipt.differences[0].headline).toContain('retry_payment 0 % → ')
    const [id] = fs.readdirSync(path.join(state, 'captures'))
    const kept = fs.readdirSync(path.join(state, 'captures', id!, 'artefacts'))
    expect(kept.sort()).toEqual(names(published).sort())
  })

  test('that cannot begin says so at once', async () => {
    const { pid } = start(compile('phases'), ['60'])
    const result = await sp(['record', `${pid}`, '--windows', '3', '--tool', 'py-spy'])
    expect(result.stderr).toContain('(SP_TOOL_UNSUITABLE)')
    const wrong = await sp(['record', `${pid}`, '--windows', 'some'])
    expect(wrong.stderr).toContain('windows (flag)')
    expect(wrong.code).toBe(2)
  })
})
