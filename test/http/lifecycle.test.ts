// The daemon's life: what ends when, what is kept, and what comes back.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { compile, describeWith, start, untilBusy } from '../apps/apps.ts'
import { profilersOf, sp, untilSampled } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'
import { type Daemon, descendants, isAlive, kill, startDaemon, until } from './daemon.ts'

async function capture(daemon: Daemon, pid: number, seconds = 30, more: object = {}, headers = {}) {
  const body = { target: { pid }, seconds, ...more }
  const { status, json } = await daemon.ask('POST', '/v1/captures', { body, headers })
  expect({ status, problem: json.code }).toEqual({ status: 202, problem: undefined })
  return json.id as string
}

async function busyTarget(): Promise<number> {
  const { pid } = start(compile('burn'), ['120'])
  await untilBusy(pid)
  return pid
}

test('--once ends the daemon when a capture is over and nobody asks any more', async () => {
  const pid = await busyTarget()
  const daemon = await startDaemon({ args: ['--once'], env: { SP_HOUSE_IDLE_MS: '1000' } })
  const id = await capture(daemon, pid, 0.5)
  expect(await daemon.untilOver(id)).toMatchObject({ state: 'finished' })
  expect(await daemon.running.result).toMatchObject({ code: 0 })
})

describe('the house', () => {
  test('leaves when nobody needs it, and the next one goes on counting', async () => {
    const daemon = await startDaemon({ env: { SP_HOUSE_IDLE_MS: '400' } })
    const count = async (name: string) => {
      const { text } = await daemon.ask('GET', '/metrics')
      return Number(new RegExp(`^sp_flamegraph_${name} (\\d+)$`, 'm').exec(text)?.[1])
    }
    expect(await count('house_starts_total')).toBe(1)
    const requests = await count('requests_total{status="200"}')
    await until(() => daemon.house() === undefined, 'the house leaves')
    expect(await count('house_starts_total')).toBe(2)
    expect(await count('requests_total{status="200"}')).toBeGreaterThan(requests)
    expect(daemon.log()).not.toContain('has died')
  })

  test('has a process ready for who looks, which is no target, and then is the capture', async () => {
    const pid = await busyTarget()
    const daemon = await startDaemon()
    const children = () => descendants(daemon.house()!).filter(each => each !== daemon.house())
    await daemon.ask('GET', '/healthz')
    expect(children()).toEqual([])
    const { json } = await daemon.ask('GET', '/v1/targets')
    const [ready] = children()
    expect(ready).toBeGreaterThan(0)
    expect(json.targets.map((each: { pid: number }) => each.pid)).not.toContain(ready)
    const id = await capture(daemon, pid, 1)
    expect(children()).toContain(ready)
    expect(await daemon.untilOver(id)).toMatchObject({ state: 'finished' })
    expect(isAlive(ready!)).toBe(false)
  })

  test('takes with it what was ready, and was not used', async () => {
    const daemon = await startDaemon()
    await daemon.ask('GET', '/v1/targets')
    const [ready] = descendants(daemon.house()!).filter(each => each !== daemon.house())
    kill(daemon.house()!)
    await until(() => !isAlive(ready!), 'it ends')
  })

  test('is started by the first byte, not by a probe', async () => {
    const daemon = await startDaemon()
    for (let probe = 0; probe < 5; probe++) {
      await new Promise<void>(resolve => {
        const socket = net.connect(daemon.port, '127.0.0.1', () => socket.end())
        socket.on('close', () => resolve()).resume()
      })
    }
    expect(daemon.house()).toBe(undefined)
    await daemon.ask('GET', '/healthz')
    expect(daemon.house()).toBeGreaterThan(0)
  })

  test('that hangs is ended by the door, and the next one answers', async () => {
    const daemon = await startDaemon({ env: { SP_UNANSWERED_MS: '4000' } })
    await daemon.ask('GET', '/healthz')
    kill(daemon.house()!, 'SIGSTOP')
    await expect(daemon.ask('GET', '/healthz')).rejects.toThrow()
    expect((await daemon.ask('GET', '/healthz')).status).toBe(200)
    expect(daemon.log()).toContain('the house does not answer')
  })
})

describeWith(['perf', 'cc', 'setpriv'], 'a capture', () => {
  test('outlives its house, which was killed, and is shown by the next', async () => {
    const daemon = await startDaemon()
    const pid = await busyTarget()
    const id = await capture(daemon, pid)
    await untilSampled(pid)
    kill(daemon.house()!)
    const over = await daemon.untilOver(id)
    expect(over).toMatchObject({ state: 'finished', requester: 'token' })
    const names = over.artefacts.map(({ name }: { name: string }) => name)
    expect(names).toContain('profile.folded')
    const file = await daemon.ask('GET', `/v1/captures/${id}/artefacts/profile.folded`)
    expect(file.text).toContain('burn')
    expect(file.headers['content-length']).toBe(`${Buffer.byteLength(file.text)}`)
    expect(profilersOf(pid)).toEqual([])
    await capture(daemon, pid, 0.5)
  })

  test('cannot be cancelled wrongly while the house before is gone', async () => {
    const daemon = await startDaemon()
    const pid = await busyTarget()
    const id = await capture(daemon, pid)
    await untilSampled(pid)
    kill(daemon.house()!)
    await until(() => daemon.log().includes('has died'), 'the door knows')
    expect((await daemon.ask('DELETE', `/v1/captures/${id}`)).status).toBe(202)
    expect((await daemon.untilOver(id)).state).toBe('finished')
    expect(daemon.log()).not.toContain('the house falls')
  })

  test('is known after the whole daemon was killed, of which nothing is left', async () => {
    const daemon = await startDaemon()
    const pid = await busyTarget()
    const id = await capture(daemon, pid)
    await untilSampled(pid)
    const all = descendants(daemon.pid)
    expect(all.length).toBeGreaterThanOrEqual(3)
    kill(daemon.pid)
    await until(() => !all.some(isAlive), 'they all end')
    expect(profilersOf(pid)).toEqual([])
    const next = await daemon.again()
    expect(await next.untilOver(id)).toMatchObject({ id, state: 'finished' })
    expect(next.token).not.toBe(daemon.token)
  })

  test('whose process dies is a fact', async () => {
    const daemon = await startDaemon()
    const pid = await busyTarget()
    const id = await capture(daemon, pid)
    await untilSampled(pid)
    for (const child of descendants(daemon.house()!).slice(0, 1)) kill(child)
    const { state, problem } = await daemon.untilOver(id)
    expect({ state, code: problem.code }).toEqual({ state: 'failed', code: 'SP_CAPTURE_DIED' })
    expect(problem.title).toContain('SIGKILL')
    expect(profilersOf(pid)).toEqual([])
    expect((await daemon.ask('GET', '/readyz')).status).toBe(200)
  })

  test('that takes more than it may is ended', async () => {
    const daemon = await startDaemon({ args: ['--max-memory=16'] })
    const pid = await busyTarget()
    const { state, problem } = await daemon.untilOver(await capture(daemon, pid))
    expect({ state, code: problem.code }).toEqual({ state: 'failed', code: 'SP_BUDGET' })
    expect(problem.title).toContain('--max-memory')
    expect(profilersOf(pid)).toEqual([])
  })

  test('is published before the daemon ends, when it is asked to', async () => {
    const daemon = await startDaemon()
    const pid = await busyTarget()
    await capture(daemon, pid)
    await untilSampled(pid)
    kill(daemon.pid, 'SIGTERM')
    expect((await daemon.running.result).code).toBe(0)
    const [folder] = fs.readdirSync(daemon.output)
    expect(fs.readdirSync(path.join(daemon.output, folder!)).length).toBeGreaterThan(0)
    expect(profilersOf(pid)).toEqual([])
    expect(fs.existsSync(daemon.socket)).toBe(false)
  })

  test('is one a target', async () => {
    const daemon = await startDaemon({ args: ['--slots=1', '--queue=1'] })
    const [first, second, third] = [await busyTarget(), await busyTarget(), await busyTarget()]
    const id = await capture(daemon, first)
    await untilSampled(first)
    const refused = async (pid: number) => {
      return daemon.ask('POST', '/v1/captures', { body: { target: { pid } } })
    }
    const rival = await refused(first)
    expect(rival.json).toMatchObject({ code: 'SP_CAPTURE_RUNNING', facts: { capture: id } })
    const waiting = await capture(daemon, second)
    const full = await refused(third)
    expect(full).toMatchObject({ status: 429, json: { code: 'SP_QUEUE_FULL' } })
    expect(Number(full.headers['retry-after'])).toBeGreaterThan(0)
    // One that has not begun never begins.
    await daemon.ask('DELETE', `/v1/captures/${waiting}`)
    expect((await daemon.untilOver(waiting)).problem.code).toBe('SP_CANCELLED')
    await daemon.ask('DELETE', `/v1/captures/${id}`)
    expect(await daemon.untilOver(id)).toMatchObject({ state: 'finished', isCancelled: true })
  })

  test('that is asked for again with the same key is the same, whatever has happened since', async () => {
    const daemon = await startDaemon({ env: { SP_HOUSE_IDLE_MS: '400' } })
    const target = start(compile('burn'), ['120'])
    await untilBusy(target.pid)
    const key = { 'idempotency-key': 'incident-1/first' }
    const again = (seconds: number, headers: object = key) =>
      daemon.ask('POST', '/v1/captures', {
        body: { seconds, target: { pid: target.pid } },
        headers: { ...headers },
      })
    const id = await capture(daemon, target.pid, 0.5, {}, key)
    expect((await again(0.5)).json.id).toBe(id)
    await daemon.untilOver(id)
    target.kill('SIGKILL')
    await until(() => daemon.house() === undefined, 'the house leaves')
    expect(await again(0.5)).toMatchObject({ status: 202, json: { id, state: 'finished' } })
    expect(await again(0.6)).toMatchObject({ status: 422, json: { code: 'SP_IDEMPOTENCY_REUSED' } })
    expect((await again(0.5, { 'idempotency-key': 'other' })).json.code).toBe('SP_TARGET_GONE')
  })
})

describe('serve', () => {
  test('ends by itself when it was told until when', async () => {
    const daemon = await startDaemon({ args: ['--until=5s'] })
    expect((await daemon.running.result).code).toBe(0)
    expect(daemon.log()).toContain('"why":"until"')
  })

  test('is one a state folder, however it listens', async () => {
    const daemon = await startDaemon()
    const args = ['serve', `--state=${daemon.state}`, '--listen=off']
    for (const socket of [[], [`--socket=${temporaryFolder()}/other.sock`]]) {
      const { code, stderr } = await sp([...args, ...socket])
      expect(stderr).toContain('SP_DAEMON_RUNNING')
      expect(code).toBe(2)
    }
    expect((await daemon.ask('GET', '/v1/captures')).status).toBe(200)
  })

  test('has no file of a single capture', async () => {
    const env = { SP_FLAMEGRAPH_KEEP_RAW: '/tmp/raw', SP_FLAMEGRAPH_LIVE: '/tmp/live.svg' }
    const { code, stderr } = await sp(['serve', '--state', temporaryFolder()], { env })
    expect(code).toBe(2)
    expect(stderr).toContain('live, keepRaw: a file of one capture, and not of a daemon')
  })

  test('says that its folder cannot be made where nothing can be, and does not try for ever', async () => {
    const { code, stderr } = await sp(['serve', '--state=/proc/x/state', '--listen=off'])
    expect(stderr).toContain('/proc/x/state/captures cannot be made: ENOENT')
    expect(stderr).toContain('SP_OUTPUT_FAILED')
    expect(code).toBe(6)
  })

  test('says that the path of its socket is too long to whoever started it', async () => {
    const state = path.join(temporaryFolder(), 'long'.repeat(30))
    const { code, stderr } = await sp(['serve', `--state=${state}`, '--listen=off'])
    expect(stderr).toContain('SP_LISTEN_FAILED')
    expect(stderr).toContain('--socket')
    expect(code).toBe(1)
    expect(fs.existsSync(state)).toBe(false)
  })

  test('says that a port is taken to whoever started it', async () => {
    const { port } = await startDaemon()
    const args = [`--listen=127.0.0.1:${port}`, `--state=${temporaryFolder()}/state`]
    const { code, stderr } = await sp(['serve', ...args])
    expect(stderr).toContain(`127.0.0.1:${port} cannot be listened on: EADDRINUSE`)
    expect(stderr).toContain('SP_LISTEN_FAILED')
    expect(code).toBe(1)
  })

  test('goes on when nobody reads its log any more', async () => {
    const daemon = await startDaemon()
    await daemon.ask('GET', '/healthz')
    const house = daemon.house()!
    daemon.running.child.stderr!.destroy()
    for (let ask = 0; ask < 3; ask++) {
      expect((await daemon.ask('GET', '/v1/captures', { token: 'wrong' })).status).toBe(401)
    }
    expect(daemon.house()).toBe(house)
    kill(house)
    await sleep(500)
    expect((await daemon.ask('GET', '/v1/captures')).status).toBe(200)
  })
})

describeWith(['root'], 'a state folder', () => {
  const refused = async (state: string) => {
    const { code, stderr } = await sp(['serve', `--state=${state}`, '--listen=off'])
    expect(stderr).toContain('SP_OUTPUT_FAILED')
    expect(code).toBe(6)
  }

  test('that is a link, open to others or of somebody else is not used', async () => {
    const folder = temporaryFolder()
    const [link, open, other, file] = ['link', 'open', 'other', 'file'].map(name =>
      path.join(folder, name),
    ) as [string, string, string, string]
    fs.mkdirSync(`${folder}/real`, { mode: 0o700 })
    fs.symlinkSync(`${folder}/real`, link)
    fs.mkdirSync(open)
    fs.chmodSync(open, 0o755)
    fs.mkdirSync(other, { mode: 0o700 })
    fs.chownSync(other, 12_345, 12_345)
    fs.writeFileSync(file, '')
    for (const each of [link, open, other, file, `${file}/below`]) await refused(each)
  })

  test('with damaged sessions is used, and they are left as they are', async () => {
    const state = path.join(temporaryFolder(), 'state')
    fs.mkdirSync(path.join(state, 'captures'), { recursive: true, mode: 0o700 })
    fs.chmodSync(state, 0o700)
    const secret = path.join(temporaryFolder(), 'secret')
    fs.writeFileSync(secret, '{}')
    const damage: Record<string, string> = {
      empty: '',
      half: '{"id":"half","state":',
      nothing: '{}',
      null: 'null',
      stranger: JSON.stringify({ id: 'other' }),
      odd: JSON.stringify({
        id: 'odd',
        ask: {
          target: { pid: 1, startTicks: 1 },
          settings: { mode: 'cpu', hertz: 1, duration: 1, to: 'x' },
        },
        requester: 'token',
        createdAt: '2026-01-01T00:00:00Z',
        message: '',
        state: { name: 'failed', problem: { code: '__proto__', facts: {} } },
      }),
    }
    for (const [id, text] of Object.entries(damage)) {
      fs.mkdirSync(path.join(state, 'captures', id), { mode: 0o700 })
      fs.writeFileSync(path.join(state, 'captures', id, 'session.json'), text)
    }
    fs.mkdirSync(path.join(state, 'captures', 'link'), { mode: 0o700 })
    fs.symlinkSync(secret, path.join(state, 'captures', 'link', 'session.json'))
    fs.mkdirSync(path.join(state, 'captures', 'pipe'), { mode: 0o700 })
    execFileSync('mkfifo', [path.join(state, 'captures', 'pipe', 'session.json')])
    const daemon = await startDaemon({ state })
    expect((await daemon.ask('GET', '/v1/captures')).json).toEqual({ captures: [] })
    expect(daemon.log()).toContain('"damaged":8')
    expect(fs.readdirSync(path.join(state, 'captures')).length).toBe(8)
  })

  test('does not wait for a pipe in the place of what a killed daemon left', async () => {
    const state = temporaryFolder()
    fs.chmodSync(state, 0o700)
    execFileSync('mkfifo', [path.join(state, 'door.json')])
    const daemon = await startDaemon({ state })
    expect((await daemon.ask('GET', '/v1/captures')).status).toBe(200)
  })

  test('on a full disk takes no capture, and has the daemon live', async () => {
    const disk = temporaryFolder()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128k,mode=700', 'sp-test', disk])
    const pid = await busyTarget()
    const daemon = await startDaemon({ state: path.join(disk, 'state') })
    onTestFinished(async () => {
      kill(daemon.pid)
      for (let tries = 0; tries < 50; tries++) {
        try {
          execFileSync('umount', [disk], { stdio: 'ignore' })
          return
        } catch {
          await sleep(100)
        }
      }
    })
    const filler = path.join(disk, 'filler')
    const fill = () => {
      try {
        fs.writeFileSync(filler, Buffer.alloc(1 << 20))
      } catch {
        // It is full.
      }
    }
    const ask = () =>
      daemon.ask('POST', '/v1/captures', { body: { target: { pid }, seconds: 0.5 } })
    fill()
    expect(await ask()).toMatchObject({ status: 507, json: { code: 'SP_OUTPUT_FAILED' } })
    // Who asks again and again must not leave a folder each time.
    expect(fs.readdirSync(path.join(daemon.state, 'captures'))).toEqual([])
    fs.rmSync(filler)
    const { json } = await ask()
    await until(
      () => daemon.ask('GET', json.href).then(each => each.json.state === 'capturing'),
      'it captures',
    )
    fill()
    // Wherever it was full, the end is told.
    const over = await daemon.untilOver(json.id)
    expect(over.state).toMatch(/finished|failed/)
    expect(daemon.log()).not.toMatch(/has died|the house falls/)
    fs.rmSync(filler)
    const { json: next } = await ask()
    expect((await daemon.untilOver(next.id)).state).toBe('finished')
  })
})
