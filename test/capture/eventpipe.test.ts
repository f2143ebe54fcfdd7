// The event pipe of living .NET processes: what it gives, and that nothing of it is left in them.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Capture, CaptureSignals } from '../../agent/capture/capture.ts'
import { capturePipe } from '../../agent/capture/eventpipe.ts'
import { readRuntimeInfo, startSession } from '../../agent/capture/eventpipe-ipc.ts'
import { type NettraceOptions, readNettrace } from '../../agent/profile/nettrace.ts'
import { ProfileBuilder } from '../../agent/profile/profile.ts'
import { findDiagnosticsSocket } from '../../agent/target/diagnostics-socket.ts'
import { compileDotnet, describeWith, missing, startDotnet } from '../apps/apps.ts'
import { connectionsOf, type DotnetVersion, dotnetRuntimes } from '../apps/dotnet.ts'
import { temporaryFolder } from '../temporary.ts'

const never = new AbortController().signal
const versions = Object.keys(dotnetRuntimes) as DotnetVersion[]
let shares: string

function capture(pid: number, durationMs: number, signals: Partial<CaptureSignals> = {}) {
  return capturePipe(pid, 'samples', durationMs, { stop: never, discard: never, ...signals })
}

async function read(capture: Capture, options: NettraceOptions = {}) {
  const builder = new ProfileBuilder()
  for await (const { format, chunks } of capture.segments) {
    expect(format).toBe('nettrace')
    const summary = await readNettrace(chunks, builder, options)
    return { profile: builder.build(), summary }
  }
  throw new Error('there was no segment')
}

async function expectConnections(pid: number, count: number): Promise<void> {
  for (let tries = 0; tries < 100 && connectionsOf(pid) !== count; tries++) await sleep(30)
  expect(connectionsOf(pid)).toBe(count)
}

beforeAll(() => {
  if (missing('mcs', 'the .NET runtimes').length === 0) shares = compileDotnet('shares')
})

describeWith(['mcs', 'the .NET runtimes'], 'the event pipe', () => {
  describe.each(versions)('of .NET %s', version => {
    test('samples for the time asked, then ends', async () => {
      const { pid } = await startDotnet(shares, 60, { version })
      const before = connectionsOf(pid)
      const running = await capture(pid, 1000)
      const { profile, summary } = await read(running)
      const end = await running.ended
      expect(end).toMatchObject({ endedByItself: false, killed: false, exitCode: 0, notes: [] })
      // .NET Core 3.1 does not say.
      expect(end.toolVersion).toBe(version === '3.1.23' ? undefined : version)
      expect(end.endedMs - end.startedMs).toBeGreaterThan(950)
      expect(end.endedMs - end.startedMs).toBeLessThan(2000)
      expect(summary).toMatchObject({ isTruncated: false, hasRundown: true, pid })
      // Its clock is ours.
      expect(summary.firstSampleNs! / 1e6).toBeGreaterThan(end.startedMs - 1000)
      expect(summary.lastSampleNs! / 1e6).toBeLessThan(end.endedMs + 1000)
      expect(profile.frames.map(({ name }) => name)).toContain('Shop.Program.Parse()')
      await expectConnections(pid, before)
    })

    test('stops when asked and keeps what it has, names too', async () => {
      const { pid } = await startDotnet(shares, 60, { version })
      const before = connectionsOf(pid)
      const stop = new AbortController()
      const running = await capture(pid, 60_000, { stop: stop.signal })
      setTimeout(() => stop.abort(), 700)
      const { profile, summary } = await read(running)
      expect(await running.ended).toMatchObject({ endedByItself: false, killed: false, notes: [] })
      expect(summary.managedSamples).toBeGreaterThan(50)
      expect(profile.frames.map(({ name }) => name)).toContain('Shop.Program.Parse()')
      await expectConnections(pid, before)
    })

    test('leaves nothing when the capture is discarded', async () => {
      const { pid } = await startDotnet(shares, 60, { version })
      const before = connectionsOf(pid)
      const discard = new AbortController()
      const running = await capture(pid, 60_000, { discard: discard.signal })
      const reading = read(running)
      setTimeout(() => discard.abort(), 500)
      const { summary } = await reading
      expect(summary.isTruncated).toBe(true)
      expect(await running.ended).toMatchObject({ killed: true })
      await expectConnections(pid, before)
    })

    test('leaves nothing when it is discarded before anybody has read', async () => {
      const { pid } = await startDotnet(shares, 60, { version })
      const before = connectionsOf(pid)
      const running = await capture(pid, 60_000, { discard: AbortSignal.abort() })
      expect(await running.ended).toMatchObject({ killed: true })
      await expectConnections(pid, before)
    })

    test('ends with its target and keeps what it has', async () => {
      const { pid } = await startDotnet(shares, 2, { version })
      const running = await capture(pid, 60_000)
      const { summary } = await read(running)
      expect(summary.managedSamples).toBeGreaterThan(50)
      expect(await running.ended).toMatchObject({ endedByItself: true })
    })

    test('keeps what it has when its target is killed', async () => {
      const target = await startDotnet(shares, 60, { version })
      const running = await capture(target.pid, 60_000)
      setTimeout(() => target.kill('SIGKILL'), 1000)
      const { summary } = await read(running)
      expect(summary.isTruncated).toBe(true)
      expect(summary.managedSamples).toBeGreaterThan(50)
      expect(await running.ended).toMatchObject({ endedByItself: true })
      await expect(capture(target.pid, 1000)).rejects.toMatchObject({ code: 'SP_TARGET_GONE' })
    })

    test('ends with us, even when we are killed with -9', async () => {
      const { pid } = await startDotnet(shares, 60, { version })
      const before = connectionsOf(pid)
      const program = path.join(import.meta.dirname, '../apps/eventpipe-forever.ts')
      const agent = spawn(process.execPath, [program, `${pid}`], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await once(agent.stdout, 'data')
      await expectConnections(pid, before + 1)
      agent.kill('SIGKILL')
      await once(agent, 'exit')
      await expectConnections(pid, before)
      // And it answers as before.
      expect((await read(await capture(pid, 300))).summary.isTruncated).toBe(false)
    })

    test('gives the names alone, at once', async () => {
      const { pid } = await startDotnet(shares, 60, { version })
      const before = connectionsOf(pid)
      const running = await capturePipe(pid, 'names', 60_000, { stop: never, discard: never })
      const { summary } = await read(running)
      expect(summary).toMatchObject({ hasRundown: true, isTruncated: false })
      expect(summary.managedSamples).toBeLessThan(100)
      expect(summary.methods).toBeGreaterThan(100)
      const end = await running.ended
      expect(end.durationMs).toBeLessThan(10_000)
      await expectConnections(pid, before)
    })

    test('refuses more sessions than a runtime has, and takes one again when one has ended', async () => {
      const { pid } = await startDotnet(shares, 60, { version })
      const { socket } = findDiagnosticsSocket(pid)
      // Without samples, for 64 of them at once would stop the program at every tick.
      const provider = { name: 'Microsoft-Windows-DotNETRuntime', keywords: 0n, level: 1 }
      const sessions = []
      let refusal: unknown
      for (let count = 0; count < 65 && refusal === undefined; count++) {
        try {
          sessions.push(await startSession(socket!, [provider], false))
        } catch (error) {
          refusal = error
        }
      }
      expect(refusal).toMatchObject({
        code: 'SP_TOOL_FAILED',
        message: expect.stringContaining('64'),
      })
      await expect(capture(pid, 300)).rejects.toMatchObject({ code: 'SP_TOOL_FAILED' })
      for (const session of sessions) {
        const reading = (async () => {
          for await (const _ of session.chunks);
        })()
        await session.stop()
        await reading
      }
      socket!.close()
      const { summary } = await read(await capture(pid, 300))
      expect(summary.isTruncated).toBe(false)
    })

    test('is said to be switched off where it is', async () => {
      const env = { COMPlus_EnableDiagnostics: '0', DOTNET_EnableDiagnostics: '0' }
      const { pid } = await startDotnet(shares, 60, { version, env })
      await expect(capture(pid, 1000)).rejects.toMatchObject({
        code: 'SP_TOOL_FAILED',
        message: expect.stringContaining('DOTNET_EnableDiagnostics=0'),
      })
    })

    test('is found in the TMPDIR of the target, whose path is as long as may be', async () => {
      const root = temporaryFolder()
      const folder = path.join(root, 'x'.repeat(67 - root.length))
      fs.mkdirSync(folder)
      const { pid } = await startDotnet(shares, 60, { version, env: { TMPDIR: folder } })
      const { summary } = await read(await capture(pid, 300))
      expect(summary.managedSamples).toBeGreaterThan(20)
    })
  })

  const isolated = ['unshare', 'the right to unshare a mount namespace', 'root']
  test.skipIf(missing(...isolated).length > 0)(
    'is found in a mount namespace of the target’s own',
    async () => {
      const folder = temporaryFolder()
      const under = [
        'unshare',
        '-m',
        'sh',
        '-c',
        `mount -t tmpfs none ${folder} && exec "$@"`,
        'sh',
      ]
      const { pid } = await startDotnet(shares, 60, { env: { TMPDIR: folder }, under })
      expect(fs.readdirSync(folder)).toEqual([])
      const { summary } = await read(await capture(pid, 300))
      expect(summary.managedSamples).toBeGreaterThan(20)
    },
  )

  test.skipIf(missing('setpriv', 'root').length > 0)(
    'of another user needs DAC_OVERRIDE',
    async () => {
      fs.chmodSync(path.dirname(shares), 0o755)
      const under = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
      const { pid } = await startDotnet(shares, 60, { under })
      const program = path.join(import.meta.dirname, '../apps/eventpipe-forever.ts')
      const say = async (...without: string[]) => {
        const bounds = `--bounding-set=${without.map(name => `-${name}`).join(',')}`
        const args = [...(without.length > 0 ? [bounds] : []), process.execPath, program, `${pid}`]
        const agent = spawn('setpriv', args, { stdio: ['ignore', 'pipe', 'inherit'] })
        onTestFinished(() => void agent.kill('SIGKILL'))
        return String((await once(agent.stdout, 'data'))[0]).trim()
      }
      expect(await say()).toBe('capturing')
      expect(await say('dac_override', 'dac_read_search')).toBe('SP_NOT_PERMITTED')
      expect(await say('sys_ptrace')).toBe('SP_NOT_PERMITTED')
    },
  )

  test('of a target that is stopped does not hold up who discards it, and ends when it goes on', async () => {
    const target = await startDotnet(shares, 60)
    const before = connectionsOf(target.pid)
    const discard = new AbortController()
    const running = await capture(target.pid, 60_000, { discard: discard.signal })
    target.kill('SIGSTOP')
    discard.abort()
    expect(await running.ended).toMatchObject({ killed: true, notes: [] })
    target.kill('SIGCONT')
    await expectConnections(target.pid, before)
  })

  test('of a target that is stopped is given up after a while', async () => {
    const target = await startDotnet(shares, 60)
    target.kill('SIGSTOP')
    await expect(capture(target.pid, 300)).rejects.toMatchObject({
      code: 'SP_TOOL_FAILED',
      message: expect.stringContaining('no answer in 10 s'),
    })
    target.kill('SIGCONT')
    const { summary } = await read(await capture(target.pid, 300))
    expect(summary.isTruncated).toBe(false)
  })
})

describe('what answers otherwise', () => {
  async function serve(answer: (connection: net.Socket) => void) {
    const file = path.join(temporaryFolder(), 'socket')
    const server = net.createServer(connection => {
      connection.on('error', () => {})
      connection.once('data', () => answer(connection))
    })
    server.listen(file)
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    return { path: file, close() {} }
  }

  function reply(command: number, payload: Buffer, set = 0xff): Buffer {
    const header = Buffer.alloc(20)
    header.write('DOTNET_IPC_V1\0')
    header.writeUInt16LE(20 + payload.length, 14)
    header[16] = set
    header[17] = command
    return Buffer.concat([header, payload])
  }

  test.for([
    ['nothing', Buffer.alloc(0)],
    ['a part of an answer', reply(0, Buffer.alloc(8)).subarray(0, 24)],
    ['something else', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['a question', reply(0, Buffer.alloc(8), 2)],
    ['no session', reply(0, Buffer.alloc(8))],
    ['an error', reply(0xff, Buffer.from([0x85, 0x13, 0x13, 0x80]))],
    ['an error without its number', reply(0xff, Buffer.alloc(0))],
  ] as const)('with %s is a fault of the tool', async ([_, bytes]) => {
    const socket = await serve(connection => connection.end(bytes))
    await expect(startSession(socket, [], true)).rejects.toMatchObject({ code: 'SP_TOOL_FAILED' })
  })

  test('and is gone is a fault of the tool', async () => {
    const gone = { path: path.join(temporaryFolder(), 'socket'), close() {} }
    await expect(startSession(gone, [], true)).rejects.toMatchObject({ code: 'SP_TOOL_FAILED' })
  })

  test.for([
    ['without strings', Buffer.alloc(24)],
    ['cut off', Buffer.concat([Buffer.alloc(24), Buffer.from([255, 255, 255, 255, 0])])],
    ['too short', Buffer.alloc(3)],
  ] as const)('with a description of itself %s is not described', async ([_, payload]) => {
    const socket = await serve(connection => connection.end(reply(0, payload)))
    expect(await readRuntimeInfo(socket)).toBe(undefined)
  })

  test('in pieces of one byte is understood', async () => {
    const bytes = Buffer.concat([
      reply(0, Buffer.from([1, 2, 3, 4, 5, 6, 7, 8])),
      Buffer.from('stream'),
    ])
    const socket = await serve(async connection => {
      for (const byte of bytes) {
        connection.write(Buffer.of(byte))
        await sleep(1)
      }
      connection.end()
    })
    const session = await startSession(socket, [], true)
    const pieces: Uint8Array[] = []
    for await (const piece of session.chunks) pieces.push(piece)
    expect(Buffer.concat(pieces).toString()).toBe('stream')
  })
})
