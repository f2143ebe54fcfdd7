// Go programs that serve net/http/pprof, asked by the real command.

import { once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, expect, test } from 'vitest'
import { buildGo, describeWith, findOnPath, start } from '../apps/apps.ts'
import { type Published, publish, readPublished, sp, startCommand } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

/** The program and its port, once it listens. */
async function startService(program: string, under: readonly string[] = []) {
  const command = [...under, program, '60']
  const service = start(command[0]!, command.slice(1))
  const [port] = await once(service.stdout!, 'data')
  return { service, pid: service.pid, port: Number(port) }
}

function record(pid: number, mode: string, ...more: string[]): Promise<Published> {
  return publish(['record', `${pid}`, '--tool=pprof', `--mode=${mode}`, '-d', '2', ...more])
}

function around(share: number): [number, number] {
  return [share * 0.75, Math.min(1, share * 1.25)]
}

function expectShare({ folded }: Published, name: string, share: number): void {
  const [least, most] = around(share)
  expect(folded.share(name), name).toBeGreaterThan(least)
  expect(folded.share(name), name).toBeLessThanOrEqual(most)
}

describeWith(['go', 'perf', 'setpriv'], 'a Go program with net/http/pprof', () => {
  let program: string
  let silent: string
  beforeAll(() => {
    program = buildGo(['-ldflags=-s -w'], 'go-pprof')
    silent = buildGo()
  })

  test('tells its CPU time, at the rate that Go has', async () => {
    const { pid } = await startService(program)
    const published = await record(pid, 'cpu', '-F', '999')
    expectShare(published, 'main.parse', 0.7)
    expectShare(published, 'main.encode', 0.3)
    expect(published.receipt.record.remarks).toContain(
      'pprof over HTTP gives 100 Hz at most, not 999',
    )
    expect(published.receipt.quality.requestedHertz).toBe(100)
    expect(published.receipt.quality.achievedHertz).toBeGreaterThan(75)
  })

  test('tells what it allocated meanwhile, and what it holds', async () => {
    const { pid } = await startService(program)
    await sleep(1000)
    const allocated = await record(pid, 'alloc')
    expectShare(allocated, 'main.keep', 0.8)
    const held = await record(pid, 'heap')
    expect(held.folded.share('main.keep')).toBeGreaterThan(0.4)
  })

  test('tells where it waits for locks, and for anything', async () => {
    const { pid } = await startService(program)
    const locks = await record(pid, 'lock')
    expect(locks.folded.share('main.fight')).toBeGreaterThan(0.9)
    // Of two that fight one waits: that is the whole window.
    expect(locks.folded.total / 2e9).toBeGreaterThan(0.75)
    expect((await record(pid, 'off-cpu')).folded.share('main.fight')).toBeGreaterThan(0.3)
    expect((await record(pid, 'wall')).folded.has('main.fight')).toBe(true)
  })

  test('is asked where perf is missing', async () => {
    const { pid } = await startService(program)
    const published = await publish(['record', `${pid}`, '-d', '1'], {
      env: { PATH: pathWithoutProfilers() },
    })
    expect(published.receipt.quality.tool).toBe('pprof')
    expect(published.receipt.record.remarks[0]).toContain('perf is not used: perf is not installed')
  })

  test('that is profiled already is left alone', async () => {
    const { pid, port } = await startService(program)
    const other = get(port, '/debug/pprof/profile?seconds=3')
    await sleep(300)
    const result = await sp(['record', `${pid}`, '--tool=pprof', '-d', '1'])
    expect(result.stderr).toContain('(SP_TOOL_BUSY)')
    expect((await other).length).toBeGreaterThan(100)
    // And without a tool being named, perf had been the first choice all along.
    expect((await publish(['record', `${pid}`, '-d', '1'])).receipt.quality.tool).toBe('perf')
  })

  test('that ends in the middle leaves the segments that were whole', async () => {
    const { service, pid } = await startService(program)
    const folder = temporaryFolder()
    const args = ['record', `${pid}`, '--tool=pprof', '-d', '30', '--json', `--to=file:${folder}`]
    const running = startCommand(args)
    await running.saying('Sampling')
    await sleep(6500)
    service.kill('SIGKILL')
    const published = readPublished(await running.result)
    expectShare(published, 'main.parse', 0.7)
    expect(published.receipt.record.remarks.join()).toContain('The target ended')
  })

  test('in another network is not looked for in ours', async () => {
    const { pid } = await startService(program, ['unshare', '-n', 'sh', '-c', upAndRun, 'sh'])
    const result = await sp(['record', `${pid}`, '--tool=pprof', '-d', '1'])
    expect(result.stderr).toContain('the network namespace of the target is not ours')
    expect(result.code).toBe(4)
  })

  test('that does not contain the package is refused with what to do', async () => {
    const { pid } = start(silent, ['60'])
    const result = await sp(['record', `${pid}`, '--mode=alloc', '-d', '1'])
    expect(result.stderr).toContain('the program does not contain net/http/pprof')
  })
})

// A new network has its loopback down.
const upAndRun = 'ip link set lo up; exec "$@"'

/** A PATH with what the command itself needs, and no profiler. */
function pathWithoutProfilers(): string {
  const folder = temporaryFolder()
  for (const name of ['setpriv', 'dirname', 'readlink', 'sh']) {
    fs.symlinkSync(findOnPath(name)!, path.join(folder, name))
  }
  return folder
}

function get(port: number, path: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    http
      .get({ host: '127.0.0.1', port, path }, response => {
        const parts: Buffer[] = []
        response.on('data', part => parts.push(part))
        response.on('end', () => resolve(Buffer.concat(parts)))
      })
      .on('error', reject)
  })
}
