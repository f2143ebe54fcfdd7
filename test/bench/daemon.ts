// What the daemon costs while nobody needs it, how soon it answers, and what those
// cost who look at it.

import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import path from 'node:path'
import { makeAuthority } from '../http/authority.ts'
import { line } from './line.ts'
import { command, median, scratchFolder } from './measure.ts'
import { usageOf } from './processes.ts'
import { sleep } from './while-captured.ts'

const folder = scratchFolder()
const authority = makeAuthority(folder)
const server = authority.issue('server', 'DNS:daemon')
const [port, tlsPort] = [16_110, 16_443]

interface Daemon {
  readonly pid: number
  readonly token: string
  end(): Promise<void>
}

const idleSeconds = 60
const idle = await startDaemon()
const before = usageOf(idle.pid)
// Kubernetes checks each ten seconds, whether it lives and whether it is ready.
const probeSeconds = 5
for (let second = 0; second < idleSeconds; second += probeSeconds) {
  net.connect(tlsPort, '127.0.0.1', function (this: net.Socket) {
    this.end()
  })
  await sleep(probeSeconds * 1000)
}
const after = usageOf(idle.pid)
line('idle daemon, mTLS port probed, RSS', after.megabytes, 'MB', { most: 50 })
const share = (after.cpuSeconds - before.cpuSeconds) / idleSeconds
line('idle daemon, CPU', share * 100, '%', { most: 0.05 })
const wakeMs = await timeOf('/healthz', idle)
await idle.end()

const cold = [wakeMs]
for (let run = 0; run < 4; run++) {
  const daemon = await startDaemon()
  cold.push(await timeOf('/healthz', daemon))
  await daemon.end()
}
line('cold door to first byte', median(cold), 'ms', { most: 400 })

const daemon = await startDaemon()
await timeOf('/healthz', daemon)
const warm: number[] = []
for (let run = 0; run < 100; run++) warm.push(await timeOf('/v1/captures', daemon))
line('warm, a new connection each', median(warm), 'ms', { most: 10 })
await lookAtCapture(daemon)
await daemon.end()

/** 50 who watch, and 200 questions a second, beside a capture; and the same capture with nobody. */
async function lookAtCapture(daemon: Daemon): Promise<void> {
  const burn = path.join(folder, 'burn')
  execFileSync('cc', ['-O1', '-o', burn, `${import.meta.dirname}/../apps/native/burn.c`])
  const target = spawn(burn, ['120'], { stdio: 'ignore' })
  try {
    await sleep(1000)
    const quiet = await captureWith(daemon, target.pid!, async () => undefined)
    const looked = await captureWith(daemon, target.pid!, id => look(daemon, id))
    line('50 watchers and 200 requests/s, CPU', looked.share! * 100, '%', { most: 30 })
    line('… rate that the capture keeps', (looked.rate / quiet.rate) * 100, '%', { least: 98 })
  } finally {
    target.kill('SIGKILL')
  }
}

async function captureWith(
  daemon: Daemon,
  pid: number,
  meanwhile: (id: string) => Promise<number | undefined>,
) {
  const body = { target: { pid }, seconds: 12, hertz: 999 }
  const { id } = await json(daemon, 'POST', '/v1/captures', body)
  await sleep(2000)
  const share = await meanwhile(id)
  for (;;) {
    const { state, receipt } = await json(daemon, 'GET', `/v1/captures/${id}`)
    if (state === 'failed') throw new Error('the capture failed')
    if (state === 'finished') {
      return { share, rate: receipt.quality.samples / receipt.quality.expectedSamples }
    }
    await sleep(500)
  }
}

/** The house's own share of a core; what its capture takes is the capture's. */
async function look(daemon: Daemon, id: string): Promise<number> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 })
  const watchers = Array.from({ length: 50 }, () => {
    return http
      .get(optionsOf(daemon, `/v1/captures/${id}/events`), response => response.resume())
      .on('error', () => {})
  })
  await sleep(1000)
  const [house] = fs
    .readFileSync(`/proc/${daemon.pid}/task/${daemon.pid}/children`, 'utf8')
    .split(' ')
  const ticksOf = () => {
    const stat = fs
      .readFileSync(`/proc/${house}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return Number(stat[11]) + Number(stat[12])
  }
  const [began, ticks] = [performance.now(), ticksOf()]
  const asking = setInterval(() => {
    const options = { ...optionsOf(daemon, `/v1/captures/${id}`), agent }
    http.get(options, response => response.resume()).on('error', () => {})
  }, 5)
  await sleep(6000)
  clearInterval(asking)
  const share = (ticksOf() - ticks) / 100 / ((performance.now() - began) / 1000)
  for (const each of watchers) each.destroy()
  agent.destroy()
  return share
}

async function startDaemon(): Promise<Daemon> {
  const state = fs.mkdtempSync(path.join(folder, 'state-'))
  const args = [
    'serve',
    `--state=${state}`,
    `--listen=127.0.0.1:${port}`,
    `--to=file:${folder}/out`,
    `--tls-listen=127.0.0.1:${tlsPort}`,
    `--tls-cert=${server.cert}`,
    `--tls-key=${server.key}`,
    `--tls-ca=${authority.ca}`,
    '--client=URI:spiffe://shop/viewer=viewer',
  ]
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  await new Promise<void>(resolve => {
    let said = ''
    child.stderr.on('data', piece => {
      said += piece
      if (said.includes('the door is open')) resolve()
    })
  })
  const token = fs.readFileSync(path.join(state, 'token'), 'utf8').trim()
  // What its start took is not what it idles on.
  await sleep(1000)
  return {
    pid: child.pid!,
    token,
    end: () =>
      new Promise(resolve => {
        child.once('exit', () => resolve())
        child.kill('SIGTERM')
      }),
  }
}

function optionsOf({ token }: Daemon, target: string): http.RequestOptions {
  const headers = { authorization: `Bearer ${token}` }
  return { host: '127.0.0.1', port, path: target, headers, agent: false }
}

/** From the connection to the first byte of the answer. */
function timeOf(target: string, daemon: Daemon): Promise<number> {
  const began = performance.now()
  return new Promise((resolve, reject) => {
    const request = http.get(optionsOf(daemon, target), response => {
      const ms = performance.now() - began
      response.resume().on('end', () => resolve(ms))
    })
    request.on('error', reject)
  })
}

// biome-ignore lint/suspicious/noExplicitAny: an answer of ours, looked at in two places
function json(daemon: Daemon, method: string, target: string, body?: object): Promise<any> {
  const options = optionsOf(daemon, target)
  const headers = { ...options.headers, 'content-type': 'application/json' }
  return new Promise((resolve, reject) => {
    const request = http.request({ ...options, method, headers }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
      })
      response.on('end', () => resolve(JSON.parse(text)))
    })
    request.on('error', reject).end(body && JSON.stringify(body))
  })
}
