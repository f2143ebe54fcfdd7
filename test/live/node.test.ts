// Node.js through its inspector: what is sampled, what is refused beforehand, and
// that the target is alive and its port closed afterwards, whatever happens.

import { once } from 'node:events'
import fs from 'node:fs'
import { describe, expect, test } from 'vitest'
import { describeWith } from '../apps/apps.ts'
import { freePort, installed, isAlive, isOpen, startScript } from '../apps/node.ts'
import { linesOf, publish, readPublished, sp } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'
import {
  eachRelease,
  expectShares,
  expectTool,
  expectUnharmed,
  inEachRelease,
  record,
  untilOpen,
  usual,
} from './inspected.ts'

describe(eachRelease, () => {
  for (const hertz of [99, 999]) {
    test(
      `is sampled at ${hertz} Hz, and its port is closed again`,
      inEachRelease(async (target, release) => {
        const child = await target(['service.js', '60'])
        const published = await publish(['record', `${child.pid}`, '-d', '3', '-F', `${hertz}`])
        expectTool(published, 'inspector')
        expectShares(published, { parse: 0.7, encode: 0.3, 'main thread': 1 })
        // How many a busy machine gives nobody knows.
        expect(published.receipt.quality.achievedHertz).toBeGreaterThan(0)
        expect(published.receipt.quality.achievedHertz).toBeLessThan(1.25 * hertz)
        expect(published.receipt.record.target).toMatchObject({ runtime: 'Node.js' })
        expect(published.receipt.record.target.version).toMatch(new RegExp(`^${release}\\.`))
        expect(published.receipt.record.tools.inspector).toMatch(new RegExp(`^${release}\\.`))
        expect(published.receipt.quality.unknownAnywhere).toBe(0)
        await expectUnharmed(child)
      }),
    )
  }

  test(
    'at rest counts in wall mode, and not in cpu mode',
    inEachRelease(async target => {
      const child = await target(['rest.js', '60'])
      const wall = await publish(['record', `${child.pid}`, ...usual, '-m', 'wall'])
      expectShares(wall, { '\\(idle\\)': 0.5 })
      const cpu = await publish(['record', `${child.pid}`, ...usual])
      expect(cpu.folded.has('(idle)')).toBe(false)
      expect(cpu.receipt.record.remarks.join()).toMatch(/were idle in \d\d % of the time/)
      await expectUnharmed(child)
    }),
  )

  test(
    'has its workers as threads of their own, and one that waits uses no CPU time',
    inEachRelease(async (target, release) => {
      const child = await target(['workers.js', '60'])
      const published = await publish(['record', `${child.pid}`, ...usual])
      const { folded, receipt } = published
      const crunch = folded.share(/^worker 1/)
      expect(folded.share('parse_[j]') / crunch).toBeGreaterThan(0.5)
      expect(folded.share('encode_[j]') / crunch).toBeGreaterThan(0.2)
      const isKnown = release !== '20'
      // A half if its waiting counted; to begin its profile takes it a moment of two seconds.
      if (isKnown) expect(folded.share(/^worker 2/)).toBeLessThan(0.15)
      else
        expect(receipt.record.remarks.join()).toContain('one that waits in native code looks busy')
      await expectUnharmed(child)
    }),
  )

  test(
    'with a handler of its own for the signal is sampled by the next tool',
    inEachRelease(async target => {
      const child = await target(['handler.js', '60'])
      const published = await publish(['record', `${child.pid}`, ...usual])
      expectTool(published, 'perf')
      expect(published.receipt.record.remarks.join()).toContain('a handler of its own')
      expect(child.said()).toBe('handled\n')
      await expectUnharmed(child)
    }),
  )

  test(
    'whose port another Node has is not signalled, and the other is left alone',
    inEachRelease(async target => {
      const first = await target(['service.js', '60'], { flags: ['--inspect'] })
      const second = await target(['service.js', '60'], { port: first.port })
      const { result } = await refuse(second, 'taken by another process')
      expect(result.code).toBe(4)
      expect(second.said()).toBe('')
      expect(first.said()).not.toContain('attached')
      expect(isOpen(first)).toBe(true)
    }),
  )

  test(
    'whose inspector was open keeps it open',
    inEachRelease(async target => {
      const child = await target(['service.js', '60'], { flags: ['--inspect'] })
      const other = await target(['service.js', '60'], { port: child.port })
      const published = await publish(['record', `${child.pid}`, ...usual])
      expectTool(published, 'inspector')
      expectShares(published, { parse: 0.7 })
      expect(isOpen(child)).toBe(true)
      expect(isAlive(child.pid)).toBe(true)
      expect(other.said()).toBe('')
    }),
  )

  test(
    'to whose inspector somebody is connected is left alone',
    inEachRelease(async target => {
      const child = await target(['service.js', '60'], { flags: ['--inspect'] })
      const list = await fetch(`http://127.0.0.1:${child.port}/json/list`)
      const [{ webSocketDebuggerUrl }] = (await list.json()) as [{ webSocketDebuggerUrl: string }]
      const debug = new WebSocket(webSocketDebuggerUrl)
      await new Promise(resolve => debug.addEventListener('open', resolve))
      await refuse(child, 'somebody is connected to its inspector')
      expect(debug.readyState).toBe(WebSocket.OPEN)
      debug.close()
    }),
  )

  test(
    'that takes a CPU profile of its own is left to it, unless it is asked for; then both are whole',
    inEachRelease(async target => {
      const child = await target(['profiled.js', '20'])
      const alone = await publish(['record', `${child.pid}`, '-d', '1'])
      expectTool(alone, 'perf')
      expect(alone.receipt.record.remarks.join()).toContain('is left alone (`--tool inspector`')
      expect(child.said()).not.toContain('Debugger')
      const published = await publish(['record', `${child.pid}`, ...usual, '--tool=inspector'])
      expectTool(published, 'inspector')
      expectShares(published, { parse: 0.7 })
      expect(published.receipt.record.remarks.join()).toContain('another CPU profile')
      await once(child, 'exit')
      const [samples, parse] = child
        .said()
        .match(/^\d+ \d+$/m)![0]
        .split(' ')
        .map(Number)
      expect(samples).toBeGreaterThan(100)
      expect(parse! / samples!).toBeGreaterThan(0.4)
    }),
  )
})

describeWith(['perf', 'setpriv'], `with --native: ${eachRelease}`, () => {
  test(
    'JavaScript has its names, and the thread pool is there',
    inEachRelease(async target => {
      const child = await target(['pool.js', '60'], { env: { UV_THREADPOOL_SIZE: '1' } })
      const published = await publish(['record', `${child.pid}`, ...usual, '--native'])
      const { folded, receipt } = published
      expectTool(published, 'inspector')
      const script = folded.share('parse_[j]') + folded.share('encode_[j]')
      expect(folded.share('parse_[j]') / script).toBeGreaterThan(0.5)
      expect(folded.share('parse_[j]') / script).toBeLessThan(0.9)
      // Two threads that never rest; how the cores are given to them is not ours to say.
      expect(folded.share(/PBKDF2/)).toBeGreaterThan(0.05)
      expect(script).toBeGreaterThan(0.05)
      expect(receipt.quality.unknownAnywhere).toBeLessThan(0.1)
      await expectUnharmed(child)
    }),
  )
})

describe.skipIf(!fs.existsSync(`${installed}/express`))('a shop on Express', () => {
  test('under load shows its handler, the framework and its own lines', async () => {
    const child = await startScript(['express.js', '60', installed])
    const port = Number(child.said().trim())
    const body = JSON.stringify({ ids: Array.from({ length: 40 }, (_, at) => at * 9) })
    const headers = { 'content-type': 'application/json' }
    const isOver = new AbortController()
    const clients = Array.from({ length: 4 }, async () => {
      while (!isOver.signal.aborted) {
        const url = `http://127.0.0.1:${port}/cart`
        await (await fetch(url, { method: 'POST', headers, body })).arrayBuffer()
      }
    })
    const published = await publish(['record', `${child.pid}`, ...usual])
    isOver.abort()
    await Promise.all(clients)
    const { folded, receipt } = published
    expectTool(published, 'inspector')
    expect(folded.share(/^priceCart_/)).toBeGreaterThan(0.3)
    expect(folded.share(/^renderLine_/)).toBeGreaterThan(0.2)
    expect(folded.has(/^handleRequest_|^Layer\./)).toBe(true)
    expect(receipt.quality.unknownAnywhere).toBe(0)
    await expectUnharmed(child)
  })
})

describe('the primary of a cluster', () => {
  test.for([
    ['as it is', []],
    ['with the titles of PM2', ['PM2 v6: God Daemon']],
  ] as const)('%s is not signalled: its busy worker is', async ([, title]) => {
    const child = await startScript(['cluster.js', '60', ...title])
    const busy = Number(child.said().split(/\s/)[0])
    const published = await publish(['record', `${child.pid}`, ...usual])
    expect(published.receipt.record.target.pid).toBe(busy)
    expectTool(published, 'inspector')
    expectShares(published, { parse: 0.7, encode: 0.3 })
    expect(child.said()).not.toContain('address already in use')
    await expectUnharmed({ pid: busy, port: child.port })
  })

  test('whose workers rest as well is refused, and a worker is named', async () => {
    const child = await startScript(['cluster.js', '60'], { env: { REST: '1' } })
    const { result } = await refuse(child, 'is the primary of a cluster of 2')
    const named = /sp-flamegraph record (\d+)/.exec(result.stderr)![1]!
    expect(child.said().split(/\s/)).toContain(named)
    expect(child.said()).not.toContain('Debugger')
    await expectUnharmed(child)
  })
})

describe('a Node process', () => {
  test('started with --disable-sigusr1 lives, and is sampled by the next tool', async () => {
    const child = await startScript(['service.js', '60'], { flags: ['--disable-sigusr1'] })
    const published = await publish(['record', `${child.pid}`, ...usual])
    expectTool(published, 'perf')
    expect(published.receipt.record.remarks.join()).toMatch(/inspector is not used.*sigusr1/)
    await expectUnharmed(child)
  })

  test('whose port is taken when the signal comes is sampled by the next tool', async () => {
    // As the second of two that are asked at once: the first has it open, and closes it.
    const port = await freePort()
    const [first, second] = [
      await startScript(['service.js', '60'], { port }),
      await startScript(['service.js', '60'], { port }),
    ]
    const running = record(first, '4')
    await untilOpen(first)
    await refuse(second, 'taken by another process')
    expectShares(readPublished(await running.result), { parse: 0.7 })
    await expectUnharmed(first)
    const published = await publish(['record', `${second.pid}`, ...usual])
    expectTool(published, 'inspector')
    await expectUnharmed(second)
  })
})

const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups']
const identity = ['setpriv', 'root']

describeWith(identity, 'a Node process of another user', () => {
  const asNobodyWith = (...capabilities: string[]) => {
    const list = capabilities.map(name => `+${name}`).join(',') || '-all'
    const bits = [`--inh-caps=${list}`, `--ambient-caps=${list}`]
    return ['setpriv', ...nobody, ...(capabilities.length > 0 ? bits : []), '--']
  }

  async function recordAs(under: readonly string[], pid: number) {
    const folder = temporaryFolder()
    fs.chmodSync(folder, 0o777)
    const args = ['record', `${pid}`, ...usual, '--json', `--to=file:${folder}`]
    return sp(args, { under, cwd: '/', env: { TMPDIR: folder, NODE_COMPILE_CACHE: '' } })
  }

  test(
    `is sampled with KILL alone: ${eachRelease}`,
    inEachRelease(async target => {
      const child = await target(['service.js', '60'])
      const published = readPublished(await recordAs(asNobodyWith('kill'), child.pid))
      expectTool(published, 'inspector')
      expectShares(published, { parse: 0.7, encode: 0.3 })
      await expectUnharmed(child)
    }),
  )

  test('is refused without KILL, which is named', async () => {
    const child = await startScript(['service.js', '60'])
    const result = await recordAs(asNobodyWith(), child.pid)
    expect(result.code).toBe(4)
    expect(result.stderr).toContain('KILL may be held here, but uid 65534 does not get it')
    expect(child.said()).toBe('')
    await expectUnharmed(child)
  })

  test('is sampled when it is ours, without any capability', async () => {
    const child = await startScript(['service.js', '60'], { under: ['setpriv', ...nobody, '--'] })
    const published = readPublished(await recordAs(asNobodyWith(), child.pid))
    expectTool(published, 'inspector')
    expectShares(published, { parse: 0.7 })
    await expectUnharmed(child)
  })
})

describeWith(
  [...identity, 'unshare', 'the right to unshare a mount namespace'],
  'a Node process in namespaces of its own',
  () => {
    test('is sampled from another mount namespace', async () => {
      const child = await startScript(['service.js', '60'], { under: ['unshare', '-m', '--'] })
      const published = await publish(['record', `${child.pid}`, ...usual])
      expectTool(published, 'inspector')
      expectShares(published, { parse: 0.7 })
      await expectUnharmed(child)
    })

    test('is asked for the pid that it sees itself', async () => {
      const outer = await startScript(['service.js', '60'], {
        under: ['unshare', '-m', '-p', '-f', '--kill-child=KILL', '--mount-proc', '--'],
      })
      const children = `/proc/${outer.pid}/task/${outer.pid}/children`
      const child = { pid: Number(fs.readFileSync(children, 'utf8')), port: outer.port }
      const published = await publish(['record', `${child.pid}`, ...usual])
      expectTool(published, 'inspector')
      expect(published.receipt.record.target.nspid).toBe(1)
      expectShares(published, { parse: 0.7 })
      await expectUnharmed(child)
    })

    test('with a network of its own is not mistaken for one of ours', async () => {
      const child = await startScript(['service.js', '60'], { under: ['unshare', '-n', '--'] })
      const ours = await startScript(['service.js', '60'], {
        port: child.port,
        flags: ['--inspect'],
      })
      await refuse(child, 'another network namespace')
      expect(child.said()).toBe('')
      expect(ours.said()).not.toContain('attached')
    })
  },
)

/** With the inspector alone, nothing is sampled, and what is said holds these words. */
async function refuse({ pid }: { pid: number }, words: string) {
  const result = await sp(['record', `${pid}`, ...usual, '--tool=inspector', '--json'])
  expect(linesOf(result).at(-1)).toMatchObject({ error: { code: 'SP_NOT_PERMITTED' } })
  expect(result.stderr).toContain(words)
  expect(isAlive(pid)).toBe(true)
  return { result }
}
