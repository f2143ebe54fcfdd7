// A capture of a living process into a local folder: how long beyond its
// duration, how exact, and what it costs itself.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import readline from 'node:readline'
import { line } from './line.ts'
import { command, scratchFolder } from './measure.ts'
import { type Usage, watch } from './processes.ts'

// The symbol tables that are read once while it samples count too; captures of half a minute are usual.
const durationSeconds = 10
const hertz = 999
const runs = 2
const folder = scratchFolder()
const apps = path.join(import.meta.dirname, '../apps')
// Should we be killed, they end by themselves.
const lifetime = `${runs * (durationSeconds + 20)}`

const burn = path.join(folder, 'burn')
const burnSource = path.join(apps, 'native/burn.c')
execFileSync('cc', ['-O1', '-fno-omit-frame-pointer', '-fno-inline', '-o', burn, burnSource])
await measure('C', burn, [lifetime])
await measure('Node', process.execPath, [
  '--perf-basic-prof',
  path.join(apps, 'node/service.js'),
  lifetime,
])

async function measure(name: string, file: string, args: readonly string[]): Promise<void> {
  const target = spawn(file, args, { stdio: 'ignore' })
  try {
    await new Promise(resolve => setTimeout(resolve, 1000))
    const captures: Capture[] = []
    for (let run = 0; run < runs; run++) captures.push(await capture(target.pid!))
    report(`record -d ${durationSeconds} -F ${hertz} of ${name}`, captures)
  } finally {
    target.kill('SIGKILL')
    fs.rmSync(`/tmp/perf-${target.pid}.map`, { force: true })
  }
}

interface Capture {
  readonly seconds: number
  /** From the ask to where sampling had begun. */
  readonly beganSeconds: number
  readonly ownCpuShare: number
  readonly peakMegabytes: number
  readonly achieved: number
  readonly named: number
}

async function capture(pid: number): Promise<Capture> {
  const beganMs = performance.now()
  const args = [
    '-d',
    `${durationSeconds}`,
    '-F',
    `${hertz}`,
    '--tool=perf',
    '--to',
    `file:${folder}`,
    '--json',
  ]
  const child = spawn(command, ['record', `${pid}`, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const stopWatching = watch(child.pid!)
  const { receipt, atMs } = await readReceipt(child)
  const [status] = await once(child, 'exit')
  const endedMs = performance.now()
  const usage = stopWatching()
  if (status !== 0) throw new Error(`record ended with ${status}`)
  const samplingEndedMs = atMs - receipt.afterMs
  const samplingBeganMs = samplingEndedMs - receipt.record.durationMs
  const { samples, expectedSamples, unknownLeaf } = receipt.quality
  return {
    seconds: (endedMs - beganMs) / 1000,
    beganSeconds: (samplingBeganMs - beganMs) / 1000,
    ownCpuShare: cpuShare(usage, samplingBeganMs, samplingEndedMs),
    peakMegabytes: Math.max(...usage.map(({ megabytes }) => megabytes)),
    achieved: samples / expectedSamples,
    named: 1 - unknownLeaf,
  }
}

/** What of the receipt is measured here. */
interface Receipt {
  readonly afterMs: number
  readonly record: { readonly durationMs: number }
  readonly quality: {
    readonly samples: number
    readonly expectedSamples: number
    readonly unknownLeaf: number
  }
}

async function readReceipt(child: ChildProcess): Promise<{ receipt: Receipt; atMs: number }> {
  let found: { receipt: Receipt; atMs: number } | undefined
  for await (const text of readline.createInterface({ input: child.stdout! })) {
    const { receipt } = JSON.parse(text) as { receipt?: Receipt }
    if (receipt !== undefined) found = { receipt, atMs: performance.now() }
  }
  if (found === undefined) throw new Error('record gave no receipt')
  return found
}

/** Of all our processes, perf among them, while they only sample. */
function cpuShare(usage: readonly Usage[], fromMs: number, toMs: number): number {
  const within = usage.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs)
  const [first, last] = [within[0], within.at(-1)]
  if (first === undefined || last === undefined) throw new Error('sampling was not seen')
  return (last.cpuSeconds - first.cpuSeconds) / ((last.atMs - first.atMs) / 1000)
}

function report(name: string, captures: readonly Capture[]): void {
  const least = (of: (capture: Capture) => number) => Math.min(...captures.map(of))
  const most = (of: (capture: Capture) => number) => Math.max(...captures.map(of))
  const beyond = least(({ seconds }) => seconds) - durationSeconds
  line(`${name}, wall beyond it`, beyond, 's', { most: 1 })
  line(
    `${name}, sampling begins`,
    least(({ beganSeconds }) => beganSeconds),
    's',
    { most: 1 },
  )
  line(`${name}, samples of those expected`, most(({ achieved }) => achieved) * 100, '%', {
    least: 95,
  })
  line(`${name}, named by the leaf`, most(({ named }) => named) * 100, '%', { least: 95 })
  line(`${name}, own CPU meanwhile`, least(({ ownCpuShare }) => ownCpuShare) * 100, '%', {
    most: 5,
  })
  line(
    `${name}, peak of all processes`,
    most(({ peakMegabytes }) => peakMegabytes),
    'MB',
    { most: 256 },
  )
}
