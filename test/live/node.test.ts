// Node.js through its inspector: what is sampled, what is refused beforehand, and
// that the target is alive and its port closed afterwards, whatever happens.

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { describeWith } from '../apps/apps.ts'
import {
  freePort,
  installed,
  isAlive,
  isOpen,
  type NodeOptions,
  type NodeTarget,
  releases,
  startScript,
} from '../apps/node.ts'
import {
  linesOf,
  type Published,
  publish,
  readPublished,
  sp,
  startCommand,
  untilSampled,
} from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

const within = 0.25

/** Each share is as expected, ±25 %. */
function expectShares({ folded }: Published, shares: Readonly<Record<string, number>>): void {
  for (const [name, expected] of Object.entries(shares)) {
    const share = folded.share(new RegExp(`^${name}(?:_\\[j\\])?$`))
    expect(share, name).toBeGreaterThan(expected * (1 - within))
    expect(share, name).toBeLessThan(Math.min(1.001, expected * (1 + within)))
  }
}

function expectTool({ receipt }: Published, tool: string): void {
  expect(Object.keys(receipt.record.tools)).toContain(tool)
}

/** Nobody listens on the port any more, and the target goes on. */
async function expectUnharmed({ pid, port }: { pid: number; port: number }): Promise<void> {
  for (let tries = 0; tries < 50 && isOpen({ pid, port }); tries++) await sleep(20)
  expect(isOpen({ pid, port })).toBe(false)
  expect(isAlive(pid)).toBe(true)
}

const usual = ['-d', '4', '-F', '999']

for (const release of ['20', '22', '24']) {
  const title = `Node ${release}${releases.has(release) ? '' : ' (skipped: scripts/setup tests brings it)'}`
  describe.skipIf(!releases.has(release))(title, () => {
    const target = (command: readonly [string, ...string[]], options: NodeOptions = {}) => {
      return startScript(command, { release, ...options })
    }

    test.for([99, 999])('is sampled at %i Hz, and its port is closed again', async hertz => {
      const child = await target(['service.js', '60'])
      const published = await publish(['record', `${child.pid}`, '-d', '5', '-F', `${hertz}`])
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
    })

    test('at rest counts in wall mode, and not in cpu mode', async () => {
      const child = await target(['rest.js', '60'])
      const wall = await publish(['record', `${child.pid}`, ...usual, '-m', 'wall'])
      expectShares(wall, { '\\(idle\\)': 0.5 })
      const cpu = await publish(['record', `${child.pid}`, ...usual])
      expect(cpu.folded.has('(idle)')).toBe(false)
      expect(cpu.receipt.record.remarks.join()).toMatch(/were idle in \d\d % of the time/)
      await expectUnharmed(child)
    })

    test('has its workers as threads of their own, and one that waits uses no CPU time', async () => {
      const child = await target(['workers.js', '60'])
      const published = await publish(['record', `${child.pid}`, ...usual])
      const { folded, receipt } = published
      const crunch = folded.share(/^worker 1/)
      expect(folded.share('parse_[j]') / crunch).toBeGreaterThan(0.7 * (1 - within))
      expect(folded.share('encode_[j]') / crunch).toBeGreaterThan(0.3 * (1 - within))
      const isKnown = release !== '20'
      if (isKnown) expect(folded.share(/^worker 2/)).toBeLessThan(0.05)
      else
        expect(receipt.record.remarks.join()).toContain('one that waits in native code looks busy')
      await expectUnharmed(child)
    })

    test('with a handler of its own for the signal is sampled by the next tool', async () => {
      const child = await target(['handler.js', '60'])
      const published = await publish(['record', `${child.pid}`, ...usual])
      expectTool(published, 'perf')
      expect(published.receipt.record.remarks.join()).toContain('a handler of its own')
      expect(child.said()).toBe('handled\n')
      await expectUnharmed(child)
    })

    test('whose port another Node has is not signalled, and the other is left alone', async () => {
      const first = await target(['service.js', '60'], { flags: ['--inspect'] })
      const second = await target(['service.js', '60'], { port: first.port })
      const { result } = await refuse(second, 'taken by another process')
      expect(result.code).toBe(4)
      expect(second.said()).toBe('')
      expect(first.said()).not.toContain('attached')
      expect(isOpen(first)).toBe(true)
    })

    test('whose inspector was open keeps it open', async () => {
      const child = await target(['service.js', '60'], { flags: ['--inspect'] })
      const other = await target(['service.js', '60'], { port: child.port })
      const published = await publish(['record', `${child.pid}`, ...usual])
      expectTool(published, 'inspector')
      expectShares(published, { parse: 0.7 })
      expect(isOpen(child)).toBe(true)
      expect(isAlive(child.pid)).toBe(true)
      expect(other.said()).toBe('')
    })

    test('to whose inspector somebody is connected is left alone', async () => {
      const child = await target(['service.js', '60'], { flags: ['--inspect'] })
      const list = await fetch(`http://127.0.0.1:${child.port}/json/list`)
      const [{ webSocketDebuggerUrl }] = (await list.json()) as [{ webSocketDebuggerUrl: string }]
      const debug = new WebSocket(webSocketDebuggerUrl)
      await new Promise(resolve => debug.addEventListener('open', resolve))
      await refuse(child, 'somebody is connected to its inspector')
      expect(debug.readyState).toBe(WebSocket.OPEN)
      debug.close()
    })

    test('that takes a CPU profile of its own keeps it, whole', async () => {
      const child = await target(['profiled.js', '9'])
      const published = await publish(['record', `${child.pid}`, ...usual])
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
    })

    test('that ends by itself is not held up, and what it did is there', async () => {
      const child = await target(['service.js', '6'])
      const published = await publish(['record', `${child.pid}`, '-d', '30', '-F', '999'])
      expectShares(published, { parse: 0.7 })
      expect(published.receipt.record.remarks.join()).toMatch(/The target ended after [1-6]\.\d s/)
      expect(published.receipt.quality.samples).toBeGreaterThan(100)
    })

    test('that is killed leaves what was sampled until then', async () => {
      const child = await target(['service.js', '60'])
      const running = record(child, '30')
      await untilOpen(child)
      await sleep(2000)
      child.kill('SIGKILL')
      const published = readPublished(await running.result)
      expectShares(published, { parse: 0.7 })
      expect(published.receipt.record.remarks.join()).toMatch(/The target ended after/)
    })

    test('closes its port by itself when we are killed with -9', async () => {
      const child = await target(['service.js', '60'])
      const running = record(child, '30')
      await untilOpen(child)
      await sleep(1500)
      running.child.kill('SIGKILL')
      await running.result
      expect(isOpen(child)).toBe(true)
      for (let tries = 0; tries < 120 && isOpen(child); tries++) await sleep(100)
      await expectUnharmed(child)
      // And nothing is left that would close the next one.
      const published = await publish(['record', `${child.pid}`, ...usual])
      expectShares(published, { parse: 0.7 })
      await expectUnharmed(child)
    })
  })
}

describeWith(['perf', 'setpriv'], 'with --native', () => {
  for (const release of releases.keys()) {
    test(`JavaScript has its names, and the thread pool is there (Node ${release})`, async () => {
      const child = await startScript(['pool.js', '60'], {
        release,
        env: { UV_THREADPOOL_SIZE: '1' },
      })
      const published = await publish(['record', `${child.pid}`, ...usual, '--native'])
      const { folded, receipt } = published
      expectTool(published, 'inspector')
      const script = folded.share('parse_[j]') + folded.share('encode_[j]')
      expect(folded.share('parse_[j]') / script).toBeGreaterThan(0.7 * (1 - within))
      expect(folded.share('parse_[j]') / script).toBeLessThan(0.7 * (1 + within))
      // Two threads that never rest; how the cores are given to them is not ours to say.
      expect(folded.share(/PBKDF2/)).toBeGreaterThan(0.05)
      expect(script).toBeGreaterThan(0.05)
      expect(receipt.quality.unknownAnywhere).toBeLessThan(0.1)
      await expectUnharmed(child)
    })
  }
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

  test('that is stopped in the middle is not started again, and closes its port when it goes on', async () => {
    const child = await startScript(['service.js', '60'])
    const running = record(child, '3')
    await untilOpen(child)
    await sleep(1500)
    child.kill('SIGSTOP')
    const published = readPublished(await running.result)
    expectShares(published, { parse: 0.7 })
    expect(published.receipt.record.remarks.join()).toContain('did not answer within')
    expect(published.receipt.record.remarks.join()).toContain('is still open on port')
    child.kill('SIGCONT')
    await expectUnharmed(child)
  })

  test('is left at once when the capture is discarded', async () => {
    const child = await startScript(['service.js', '60'])
    const running = record(child, '30')
    await untilOpen(child)
    await sleep(1000)
    running.child.kill('SIGINT')
    running.child.kill('SIGTERM')
    await running.result
    await expectUnharmed(child)
  })

  test('is stopped by one Ctrl-C, and kept', async () => {
    const child = await startScript(['service.js', '60'])
    const running = record(child, '30')
    await untilOpen(child)
    await sleep(1000)
    running.child.kill('SIGINT')
    const published = readPublished(await running.result)
    expectShares(published, { parse: 0.7 })
    expect(published.receipt.record.remarks.join()).toMatch(/Stopped after/)
    await expectUnharmed(child)
  })

  test('that opens its port late, when we have gone on, has it closed', async () => {
    const fifo = path.join(temporaryFolder(), 'fifo')
    execFileSync('mkfifo', [fifo])
    const child = await startScript(['blocked.js', '60', fifo])
    const running = record(child, '3')
    await untilSampled(child.pid)
    expect(child.said()).toBe('')
    fs.writeFileSync(fifo, 'go on')
    expectTool(readPublished(await running.result), 'perf')
    await expectUnharmed(child)
    expect(child.said()).toContain('Debugger listening')
    expect(child.said()).toContain('Debugger attached')
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

  for (const release of releases.keys()) {
    test(`is sampled with KILL alone (Node ${release})`, async () => {
      const child = await startScript(['service.js', '60'], { release })
      const published = readPublished(await recordAs(asNobodyWith('kill'), child.pid))
      expectTool(published, 'inspector')
      expectShares(published, { parse: 0.7, encode: 0.3 })
      await expectUnharmed(child)
    })
  }

  test('is refused without KILL, which is named', async () => {
    const child = await startScript(['service.js', '60'])
    const result = await recordAs(asNobodyWith(), child.pid)
    expect(result.code).toBe(4)
    expect(result.stderr).toContain('add the capability KILL')
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

function record({ pid }: NodeTarget, seconds: string) {
  const folder = temporaryFolder()
  const args = ['record', `${pid}`, '-d', seconds, '-F', '999', '--json', `--to=file:${folder}`]
  return startCommand(args)
}

async function untilOpen(target: NodeTarget): Promise<void> {
  for (let tries = 0; tries < 500 && !isOpen(target); tries++) await sleep(20)
  expect(isOpen(target)).toBe(true)
}
