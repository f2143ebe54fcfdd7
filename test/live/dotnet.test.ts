// .NET programs whose hot path is known, sampled by their own runtime, and by
// perf with the names that the runtime gives.

import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, expect, test } from 'vitest'
import type { Capture } from '../../agent/capture/capture.ts'
import { startCapture } from '../../agent/capture/drivers.ts'
import { capturePipe } from '../../agent/capture/eventpipe.ts'
import { type NettraceReader, nettraceReader } from '../../agent/profile/nettrace.ts'
import { perfDataReader } from '../../agent/profile/perf-data.ts'
import { type Profile, ProfileBuilder } from '../../agent/profile/profile.ts'
import { mayHoldMethods, methodMap, methodMapSymbols } from '../../agent/symbolize/method-map.ts'
import { symbolize } from '../../agent/symbolize/symbolize.ts'
import { compileDotnet, describeWith, missing, startDotnet } from '../apps/apps.ts'
import { type DotnetVersion, dotnetRuntimes } from '../apps/dotnet.ts'
import { type Folded, publish, readStacks } from '../command.ts'
import { planned } from '../planned.ts'
import { folded } from '../stacks.ts'

const never = new AbortController().signal
const signals = { stop: never, discard: never }
const versions = Object.keys(dotnetRuntimes) as DotnetVersion[]
let shares: string

beforeAll(() => {
  if (missing('mcs', 'the .NET runtimes').length === 0) shares = compileDotnet('shares')
})

async function readInto(
  capture: Capture,
  reader: { push(chunk: Uint8Array): void; end(): unknown },
): Promise<void> {
  for await (const { chunks } of capture.segments) {
    for await (const chunk of chunks) reader.push(chunk)
  }
  reader.end()
  await capture.ended
}

async function readEventPipe(
  pid: number,
  content: 'samples' | 'names',
): Promise<{ reader: NettraceReader; profile: Profile }> {
  const builder = new ProfileBuilder()
  const reader = nettraceReader(builder)
  await readInto(await capturePipe(pid, content, 1500, signals), reader)
  return { reader, profile: builder.build() }
}

function expectShares(profile: Profile): Folded {
  const stacks = readStacks(folded(profile))
  for (const [name, share] of [
    ['Shop.Program.Parse()', 0.7],
    ['Shop.Program.Encode()', 0.3],
  ] as const) {
    expect(stacks.share(`${name}_[j]`), name).toBeGreaterThan(share * 0.75)
    expect(stacks.share(`${name}_[j]`), name).toBeLessThan(share * 1.25)
  }
  return stacks
}

describeWith(['mcs', 'the .NET runtimes'], 'the event pipe', () => {
  test.for(versions)('of .NET %s has the shares of the program', async version => {
    const { pid } = await startDotnet(shares, 60, { version })
    // Past its first tier, whose code is not compiled for speed.
    await sleep(500)
    const { profile } = await readEventPipe(pid, 'samples')
    const stacks = expectShares(profile)
    expect(stacks.share('Shop.Program.HandleRequest()_[j]')).toBeGreaterThan(0.9)
    expect(stacks.share('[unknown]')).toBeLessThan(0.01)
  })

  test.for(versions)('of .NET %s is asked alone where a person wants it', async version => {
    const { pid } = await startDotnet(shares, 60, { version })
    await sleep(500)
    const args = ['record', `${pid}`, '--tool=eventpipe', '-d', '1.5']
    const { folded: published, receipt } = await publish(args)
    expect(receipt.record.target).toMatchObject({ runtime: '.NET' })
    expect(receipt.record.target.version).toMatch(new RegExp(`^${version.split('.')[0]}\\.`))
    expect(receipt.quality).toMatchObject({ tool: 'eventpipe', event: 'managed code' })
    expect(receipt.record.remarks.join()).toContain("the rate is the runtime's own")
    expect(published.share(/^Shop\.Program\.Parse/)).toBeGreaterThan(0.5)
    const waiting = await publish(['record', `${pid}`, '-d', '1', '--mode=wall'])
    expect(waiting.folded.has('[native or waiting]')).toBe(true)
  })
})

describeWith(['mcs', 'the .NET runtimes', 'perf', 'setpriv'], 'perf', () => {
  test.for(versions)('with the names of .NET %s has the shares of the program', async version => {
    const { pid } = await startDotnet(shares, 60, { version })
    await sleep(500)
    const builder = new ProfileBuilder()
    const description = { ...planned(pid, { tool: 'perf', hertz: 999, durationMs: 1500 }) }
    await readInto(await startCapture(description, signals), perfDataReader(builder))
    const { reader } = await readEventPipe(pid, 'names')
    const map = methodMap(reader.methods, module => reader.modulePath(module))
    const profile = symbolize(builder.build(), module => {
      return mayHoldMethods(module) ? methodMapSymbols(map, module) : { find: () => 'no symbols' }
    })
    const stacks = expectShares(profile)
    expect(stacks.share('Shop.Program.Main(string[])_[j]')).toBeGreaterThan(0.9)
    expect(profile.frames.find(({ name }) => name === 'Shop.Program.Parse()')).toMatchObject({
      kind: 'jit',
      module: shares,
    })
  })

  test.for(versions)('with the names of .NET %s is what the command does first', async version => {
    const { pid } = await startDotnet(shares, 60, { version })
    await sleep(500)
    const { folded: published, receipt } = await publish([
      'record',
      `${pid}`,
      '-d',
      '1.5',
      '-F',
      '999',
    ])
    expect(receipt.quality).toMatchObject({ tool: 'perf', event: 'cpu-clock' })
    expect(published.share(/^Shop\.Program\.Parse\(\)/)).toBeGreaterThan(0.7 * 0.75)
    expect(published.share(/^Shop\.Program\.Encode\(\)/)).toBeGreaterThan(0.3 * 0.75)
    expect(receipt.quality.unknownLeaf).toBeLessThan(0.1)
  })
})
