// `record` where a daemon runs: by it, with the result that it would have alone;
// and alone where the daemon cannot be, or cannot be asked.

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { compile, describeWith, start, untilBusy } from '../apps/apps.ts'
import {
  linesOf,
  type Result,
  type Running,
  readPublished,
  readStacks,
  sp,
  startCommand,
  untilSampled,
} from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

interface Served {
  readonly state: string
  readonly running: Running
}

/** Ends with the test. */
async function serve(): Promise<Served> {
  const state = path.join(temporaryFolder(), 'state')
  const running = startCommand(['serve', `--state=${state}`, '--listen=off'])
  onTestFinished(async () => {
    running.child.kill('SIGTERM')
    await running.result
  })
  await running.saying('the door is open')
  return { state, running }
}

async function startBusy(): Promise<number> {
  const { pid } = start(compile('burn'), ['120'])
  await untilBusy(pid)
  return pid
}

/** How many captures the daemon was asked for. */
function asked({ state }: Served): number {
  return fs.readdirSync(path.join(state, 'captures')).length
}

function statesOf(result: Result): string[] {
  return linesOf(result).flatMap(({ state }) => state ?? [])
}

/** The status and the body of an answer. */
function ask(state: string, method: string, path: string, more = {}): Promise<string> {
  const token = fs.readFileSync(`${state}/token`, 'utf8').trim()
  const headers = {
    host: 'localhost',
    authorization: `Bearer ${token}`,
    ...(method === 'POST' && { 'content-type': 'application/json' }),
    ...more,
  }
  return new Promise((resolve, reject) => {
    http
      .request({ socketPath: `${state}/daemon.sock`, method, path, headers }, response => {
        response.setEncoding('utf8').once('data', text => resolve(`${response.statusCode} ${text}`))
      })
      .on('error', reject)
      .end(method === 'POST' ? '{}' : undefined)
  })
}

describeWith(['perf', 'cc', 'setpriv'], 'a daemon that runs', () => {
  test('captures, and the result is as without it', async () => {
    const served = await serve()
    const pid = await startBusy()
    const options = ['-d', '1', '-F', '199', '-i', 'INC-7', '-f', 'folded,json', '--json']
    // A folder that is named from where the command runs.
    const results = await Promise.all(
      [[`--state=${served.state}`], ['--alone']].map(async more => {
        const cwd = temporaryFolder()
        const args = ['record', `${pid}`, ...options, '--to=file:graphs', ...more]
        const { receipt, result, folded } = readPublished(await sp(args, { cwd }))
        const place = receipt.place.replace(receipt.record.id, 'ID').replace(cwd, 'CWD')
        return { receipt, result, folded, place }
      }),
    )
    const [by, alone] = results as [(typeof results)[0], (typeof results)[0]]
    expect(asked(served)).toBe(1)
    expect(by.receipt.record.requester).toBe('token')
    expect(by.place).toBe('file:CWD/graphs/incidents/INC-7/ID')
    expect(by.place).toBe(alone.place)
    expect(by.receipt.record.asked).toEqual(alone.receipt.record.asked)
    expect(by.receipt.record.target).toEqual(alone.receipt.record.target)
    expect(by.receipt.files.map(({ name }: { name: string }) => name)).toEqual(
      alone.receipt.files.map(({ name }: { name: string }) => name),
    )
    expect(Object.keys(by.receipt).sort()).toEqual(Object.keys(alone.receipt).sort())
    expect(by.folded.share('burn_inner')).toBeGreaterThan(0.8)
    for (const { result } of results) {
      expect(statesOf(result)).toEqual(expect.arrayContaining(['capturing', 'publishing']))
    }
  })

  test('gives the one file that was asked for, and publishes nothing else', async () => {
    const served = await serve()
    const pid = await startBusy()
    const cwd = temporaryFolder()
    const base = ['record', `${pid}`, '-d', '1', `--state=${served.state}`]
    const written = await sp([...base, '--json', '-o', 'flame.folded'], { cwd })
    const piped = await sp([...base, '-f', 'folded', '-o', '-'], { cwd })
    expect(asked(served)).toBe(2)
    expect(fs.readdirSync(cwd)).toEqual(['flame.folded'])
    const { receipt } = linesOf(written).at(-1)!
    expect(receipt.place).toBe(`file:${cwd}/flame.folded`)
    for (const text of [fs.readFileSync(`${cwd}/flame.folded`, 'utf8'), piped.stdout.toString()]) {
      expect(readStacks(text).share('burn_inner')).toBeGreaterThan(0.8)
    }
    const again = await sp([...base, '-o', 'flame.folded'], { cwd })
    expect(again.stderr).toContain('(SP_OUTPUT_EXISTS)')
    expect(again.code).toBe(2)
  })

  test('fails as the command alone does', async () => {
    const { state } = await serve()
    const pid = await startBusy()
    const args = ['record', `${pid}`, '--tool=py-spy', '--json']
    const [by, alone] = await Promise.all([sp([...args, `--state=${state}`]), sp(args)])
    expect(linesOf(by!).at(-1)).toEqual(linesOf(alone!).at(-1))
    expect(by!.code).toBe(alone!.code)
    const gone = await sp(['record', '4194303', `--state=${state}`])
    expect(gone.stderr).toContain('(SP_TARGET_GONE)')
    expect(gone.code).toBe(5)
  })

  test('says who captures the process already, and how to watch it', async () => {
    const served = await serve()
    const pid = await startBusy()
    const args = ['record', `${pid}`, '-d', '20', `--state=${served.state}`, '--json']
    const first = startCommand(args)
    await first.saying('"capturing"')
    const second = await sp(args)
    expect(second.code).toBe(1)
    const { error } = linesOf(second).at(-1)!
    const [id] = fs.readdirSync(path.join(served.state, 'captures'))
    expect(error).toMatchObject({ code: 'SP_CAPTURE_RUNNING', facts: { capture: id } })
    expect(JSON.stringify(error!.facts)).toContain(`/v1/captures/${id}/events`)
    first.child.kill('SIGINT')
    await first.result
  })

  test('keeps what it has at Ctrl-C, and discards it where that is asked for', async () => {
    const { state } = await serve()
    const pid = await startBusy()
    const begin = async () => {
      const to = temporaryFolder()
      const args = ['record', `${pid}`, '-d', '30', `--state=${state}`, '--json', `--to=file:${to}`]
      const running = startCommand(args)
      await untilSampled(pid)
      return { running, to }
    }
    const kept = await begin()
    kept.running.child.kill('SIGINT')
    const { receipt } = readPublished(await kept.running.result)
    expect(receipt.record.remarks.join()).toMatch(/Stopped after [\d.]+ s of 30 s/)

    const discarded = await begin()
    // What the second Ctrl-C asks for.
    const [id] = fs.readdirSync(path.join(state, 'captures')).sort().slice(-1)
    expect(await ask(state, 'DELETE', `/v1/captures/${id}?keep=false`)).toMatch(/^202 /)
    const { code, stderr } = await discarded.running.result
    expect(code).toBe(7)
    expect(stderr).toContain('(SP_CANCELLED)')
    expect(fs.readdirSync(discarded.to)).toEqual([])
  })

  test('takes the only busy process where none is named, or says which are', async () => {
    const { state } = await serve()
    const pids = [await startBusy(), await startBusy()]
    const result = await sp(['record', '-d', '1', `--state=${state}`, '--json'])
    // What else this machine does may be busy too.
    expect(result.code).toBe(2)
    const line = linesOf(result).find(({ targets }) => targets !== undefined)
    expect(line!.targets!.map(({ pid }) => pid)).toEqual(expect.arrayContaining(pids))
  })
})

describeWith(['perf', 'cc', 'setpriv', 'root'], 'a daemon that is not asked', () => {
  /** What it said, of a capture that was made nevertheless. */
  async function aloneWith(state: string, more: readonly string[] = [], env = {}): Promise<string> {
    const pid = await startBusy()
    const args = ['record', `${pid}`, '-d', '500ms', `--state=${state}`, '-f', 'folded']
    const result = await sp([...args, ...more], { env })
    expect(result.code).toBe(0)
    return result.stderr.split('\n').find(line => line.includes('daemon')) ?? ''
  }

  function stateWith(token: string | undefined): string {
    const state = temporaryFolder()
    if (token !== undefined) fs.writeFileSync(`${state}/token`, token, { mode: 0o600 })
    return state
  }

  /** A socket that nobody listens on any more. */
  function staleSocket(state: string): void {
    const program = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 9))`
    spawnSync(process.execPath, ['-e', program, `${state}/daemon.sock`])
  }

  test('where there is none, nothing is said of one', async () => {
    expect(await aloneWith(temporaryFolder())).toBe('')
  })

  test('its socket is all that it left', async () => {
    const state = stateWith('token')
    staleSocket(state)
    expect(await aloneWith(state)).toContain('it does not answer (ECONNREFUSED): working alone')
  })

  test('its token is gone, or can be read by others', async () => {
    const state = stateWith(undefined)
    staleSocket(state)
    expect(await aloneWith(state)).toContain('its token cannot be read (ENOENT): working alone')
    fs.writeFileSync(`${state}/token`, 'token', { mode: 0o644 })
    expect(await aloneWith(state)).toMatch(/token is not a file of ours that is closed to others/)
    fs.rmSync(`${state}/token`)
    fs.symlinkSync('/etc/hostname', `${state}/token`)
    expect(await aloneWith(state)).toContain('its token cannot be read (ELOOP)')
  })

  test("its folder is another user's, or open", async () => {
    const state = stateWith('token')
    staleSocket(state)
    fs.chmodSync(state, 0o755)
    expect(await aloneWith(state)).toContain('is open to others: working alone')
    fs.chmodSync(state, 0o700)
    fs.chownSync(state, 12_345, 12_345)
    expect(await aloneWith(state)).toContain('it is of uid 12345')
  })

  test('it cannot be asked for all that was set, or is not to be', async () => {
    const served = await serve()
    const ids = [{ name: 'order', pattern: 'ord_[0-9]{6}', examples: ['ord_123456'] }]
    const env = { SP_FLAMEGRAPH_CUSTOMER_IDS: JSON.stringify(ids) }
    expect(await aloneWith(served.state, [], env)).toContain('it cannot be asked for customerIds')
    expect(await aloneWith(served.state, ['--alone'])).toBe('')
    expect(asked(served)).toBe(0)
  })

  test('it is of another version', async () => {
    const state = stateWith('token')
    const heard: (string | undefined)[] = []
    const other = http.createServer((request, response) => {
      heard.push(request.headers['sp-flamegraph-version'] as string)
      const code = 'SP_VERSION_DIFFERS'
      const title = 'the daemon is version 9.9.9, and the command version 0'
      response.writeHead(409).end(JSON.stringify({ code, title }))
    })
    await new Promise<void>(resolve => other.listen(`${state}/daemon.sock`, resolve))
    onTestFinished(() => void other.close())
    expect(await aloneWith(state)).toContain('the daemon is version 9.9.9')
    expect(heard).toEqual([expect.stringMatching(/^\d+\.\d+\.\d+/)])
  })
})

test('a daemon refuses a command of another version', async () => {
  const { state } = await serve()
  const version = { 'sp-flamegraph-version': '9.9.9' }
  const answer = await ask(state, 'POST', '/v1/captures', version)
  expect(answer).toMatch(/^409 .*version 9\.9\.9.*SP_VERSION_DIFFERS/)
})
