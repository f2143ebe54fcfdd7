// The BEAM, by perf: named where it writes its map, and honest where it does not. By its distribution,
// where that was allowed.

import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type ProcessFacts, withFacts } from '../../agent/target/facts.ts'
import { below, describeWith, untilBusy } from '../apps/apps.ts'
import { expectShares, type Node, startErlang, startErlangNode } from '../apps/scripts.ts'
import {
  linesOf,
  profilersOf,
  publish,
  type Result,
  readPublished,
  sp,
  startCommand,
  untilSampled,
} from '../command.ts'
import { temporaryFolder } from '../temporary.ts'
import { asSidecar } from './sidecar.ts'

const needed = ['erl', 'erlc', 'perf', 'setpriv']
const nameOf = (name: string) => `$shares:${name}/2_[j]`

describeWith(needed, 'a BEAM', () => {
  test.for([99, 999])('with its perf map has the shares of its functions at %i Hz', async hertz => {
    const { pid } = startErlang(60)
    await untilBusy(pid)
    const args = ['record', `${pid}`, '-d', '3', '-F', `${hertz}`]
    const published = await publish(args, { under: asSidecar })
    const { folded, receipt } = published
    expect(receipt.record.target.runtime).toBe('Erlang/OTP')
    expect(receipt.record.target.version).toMatch(/^\d+(?:\.\d+)+$/)
    // Its schedulers and its start take some of it.
    expect(folded.share(nameOf('parse'))).toBeGreaterThan(0.35)
    expectShares(published, nameOf)
    expect(receipt.quality.unreadable).toBeLessThan(0.05)
    expect(receipt.record.remarks).toEqual([])
    expect(fs.readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^State:\t[RS]/m)
  })

  test('without a map is sampled as native code, and the verdict is not to trust it', async () => {
    const { pid } = startErlang(60, [])
    await untilBusy(pid)
    const { receipt } = await publish(['record', `${pid}`, '-d', '2', '-F', '999'])
    expect(receipt.verdict.headline).toContain('cannot be read')
    expect(receipt.quality.level).toBe('do not trust')
    expect(receipt.record.remarks.join()).toMatch(/Erlang functions have no names.*\+JPperf true/)
  })

  test('that is killed in the middle leaves what was seen, with its names', async () => {
    const target = startErlang(60)
    await untilBusy(target.pid)
    const to = `--to=file:${temporaryFolder()}`
    const running = startCommand(['record', `${target.pid}`, '-d', '30', '-F', '499', '--json', to])
    await untilSampled(target.pid)
    // perf begins with each of its threads in turn.
    await sleep(1500)
    target.kill('SIGKILL')
    expect(readPublished(await running.result).folded.has(nameOf('parse'))).toBe(true)
    expect(profilersOf(target.pid)).toEqual([])
  })
})

describeWith(['erl', 'erlc', 'epmd', 'perf', 'setpriv'], 'a BEAM with its distribution', () => {
  const allowed = ['--tool=erl-dist', '--allow-remote-eval']
  const plain = (name: string) => `shares:${name}/2_[j]`

  async function busyNode(flags?: readonly string[], asOther?: boolean): Promise<Node> {
    const node = await startErlangNode(90, flags, asOther)
    await untilBusy(node.process.pid)
    return node
  }

  /** It runs, nobody is connected to it, and nothing that we say or it says holds its cookie. */
  async function expectUntouched(node: Node, { stdout, stderr }: Result): Promise<void> {
    const { pid } = node.process
    const connected = () => withFacts(pid, facts => connectionsOf(facts).length)
    await expect.poll(connected, { timeout: 5000 }).toBe(0)
    expect(fs.readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^State:\t[RS]/m)
    expect(`${stdout}${stderr}`).not.toContain(node.cookie)
  }

  test('is not asked without the flag, and doctor says what it takes', async () => {
    const node = await busyNode()
    const { pid } = node.process
    const { receipt, result } = await publish(['record', `${pid}`, '-d', '1'])
    expect(receipt.record.tools).toHaveProperty('perf')
    expect(receipt.record.remarks.join()).toContain(
      'the Erlang distribution is not used: the cookie',
    )
    const doctor = await sp(['doctor', `${pid}`])
    expect(doctor.stdout.toString()).toMatch(
      /blocked +the Erlang distribution[\s\S]*--allow-remote-eval/,
    )
    const refused = await sp(['record', `${pid}`, '--tool=erl-dist', '--json'])
    expect(linesOf(refused).at(-1)).toMatchObject({ error: { code: 'SP_NOT_PERMITTED' } })
    await expectUntouched(node, result)
    await expectUntouched(node, doctor)
  })

  test.for([
    ['short', ['-sname', 'shares']],
    ['long', ['-name', 'shares@127.0.0.1']],
    // As RabbitMQ does: nothing of it is in the arguments.
    ['late', ['-eval', 'net_kernel:start([shares,shortnames])']],
  ] as const)('of a %s name has the shares of its functions', async ([, flags]) => {
    const node = await busyNode(flags)
    const { pid } = node.process
    const args = ['record', `${pid}`, '-d', '6', '-F', '999', '--allow-remote-eval', '--debug']
    const published = await publish(args)
    const { receipt, folded } = published
    expect(Object.keys(receipt.record.tools)).toContain('erl-dist')
    expect(receipt.quality.event).toBe('processes that run or are ready to')
    const remarks = receipt.record.remarks.join()
    expect(remarks).toContain('gives 49 Hz at most, not 999')
    expect(remarks).toContain('not of CPU time')
    expect(folded.stacks.some(({ frames }) => frames.at(-2) === 'shares:handle/0_[j]')).toBe(true)
    expectShares(published, plain)
    await expectUntouched(node, published.result)
    // A hidden node: no warning, no other node that was told of us.
    expect(node.said()).toBe('')
  })

  test('of another user is asked as a sidecar does', async () => {
    const node = await busyNode(undefined, true)
    const args = ['record', `${node.process.pid}`, '-d', '2', ...allowed]
    const published = await publish(args, { under: asSidecar })
    expect(published.receipt.record.target).toMatchObject({ runtime: 'Erlang/OTP', uid: 65534 })
    expect(published.folded.share(plain('parse'))).toBeGreaterThan(0.3)
    await expectUntouched(node, published.result)
  })

  test('shows in mode wall what waits, apart from what runs', async () => {
    const node = await busyNode()
    const args = ['record', `${node.process.pid}`, '-d', '2', '-m', 'wall', ...allowed]
    const { folded, result } = await publish(args)
    const waiting = folded.stacks.filter(({ frames }) => frames.at(-1) === '(waiting)')
    expect(waiting.some(({ frames }) => frames.at(-2) === 'gen_server:loop/7_[j]')).toBe(true)
    expect(folded.stacks.some(({ frames }) => frames.at(-1) === plain('parse'))).toBe(true)
    await expectUntouched(node, result)
  })

  test('that was given another cookie refuses, perf is used, and it is said', async () => {
    const node = await busyNode(['-sname', 'shares', '-eval', 'erlang:set_cookie(other)'])
    const { pid } = node.process
    const { receipt, result } = await publish([
      'record',
      `${pid}`,
      '-d',
      '1',
      '--allow-remote-eval',
    ])
    expect(receipt.record.remarks.join()).toMatch(/erl-dist failed, so perf was used: .*the cookie/)
    await expectUntouched(node, result)
  })

  test('is asked by one of us at a time', async () => {
    const node = await busyNode()
    const args = [
      'record',
      `${node.process.pid}`,
      ...allowed,
      '--json',
      `--to=file:${temporaryFolder()}`,
    ]
    const first = startCommand([...args, '-d', '8'])
    await untilConnected(node)
    const second = await sp([...args, '-d', '1'])
    expect(linesOf(second).at(-1)).toMatchObject({ error: { code: 'SP_TOOL_BUSY' } })
    const published = readPublished(await first.result)
    expect(published.folded.has(plain('parse'))).toBe(true)
    await expectUntouched(node, published.result)
  })

  test('goes on when we are killed, and nobody is connected to it any more', async () => {
    const node = await busyNode()
    const args = ['record', `${node.process.pid}`, '-d', '60', ...allowed]
    const running = startCommand(args, { env: { NODE_COMPILE_CACHE: '' } })
    await untilConnected(node)
    for (const pid of [...below(running.child.pid), running.child.pid]) process.kill(pid, 'SIGKILL')
    await expectUntouched(node, await running.result)
  })

  test('is left by Ctrl-C, which keeps what there is', async () => {
    const node = await busyNode()
    const args = ['record', `${node.process.pid}`, '-d', '60', ...allowed, '--json']
    const running = startCommand([...args, `--to=file:${temporaryFolder()}`])
    await untilConnected(node)
    await sleep(3000)
    running.child.kill('SIGINT')
    const published = readPublished(await running.result)
    expect(published.folded.has(plain('parse'))).toBe(true)
    await expectUntouched(node, published.result)
  })

  test('that is killed in the middle leaves what was seen', async () => {
    const node = await busyNode()
    const args = ['record', `${node.process.pid}`, '-d', '60', ...allowed, '--json']
    const running = startCommand([...args, `--to=file:${temporaryFolder()}`])
    await untilConnected(node)
    await sleep(3000)
    node.process.kill('SIGKILL')
    const { folded, receipt } = readPublished(await running.result)
    expect(folded.has(plain('parse'))).toBe(true)
    expect(receipt.record.remarks.join()).toContain('The target ended')
  })
})

async function untilConnected(node: Node): Promise<void> {
  const { pid } = node.process
  await expect
    .poll(() => withFacts(pid, facts => connectionsOf(facts).length), { timeout: 20_000 })
    .toBeGreaterThan(0)
}

/** To a port on which it listens: that to its port mapper is another. */
function connectionsOf({ sockets, listeners }: ProcessFacts) {
  return sockets.filter(({ state, port }) => {
    return state === 'connected' && listeners.some(listener => listener.port === port)
  })
}
