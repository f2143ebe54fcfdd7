// Reads a recording for a test, and prints stacks so that two can be compared.

import { readFileSync } from 'node:fs'
import {
  type PerfDataOptions,
  type PerfDataSummary,
  readPerfData,
} from '../../agent/profile/perf-data.ts'
import { type Frame, type Profile, ProfileBuilder } from '../../agent/profile/profile.ts'

export function fixture(name: string): Buffer {
  return readFileSync(new URL(`../fixtures/perf/6.1/${name}`, import.meta.url))
}

export interface Reading {
  readonly profile: Profile
  readonly summary: PerfDataSummary
}

export async function reading(
  bytes: Uint8Array | Iterable<Uint8Array>,
  options: PerfDataOptions = {},
): Promise<Reading> {
  const builder = new ProfileBuilder()
  const summary = await readPerfData(
    bytes instanceof Uint8Array ? [bytes] : bytes,
    builder,
    options,
  )
  return { profile: builder.build(), summary }
}

/** Each stack that has weight in the column, root first: `comm;a+0x1;b+0x2 3`, sorted. */
export function stacksOf(profile: Profile, column = 0): string[] {
  return folded(profile, column, frame => printed(profile.frames[frame]!))
}

/** `a.so+0x1` for what waits for its name. */
export function printed({ name, address }: Frame): string {
  return address === undefined ? name : `${name}+0x${hex64(address.value)}`
}

/** As the kernel writes it: the two's complement of 64 bits. */
function hex64(value: number): string {
  return BigInt.asUintN(64, BigInt(value)).toString(16)
}

/** The same, with each frame printed by the caller. */
export function folded(
  profile: Profile,
  column: number,
  print: (frame: number) => string,
): string[] {
  const { stacks, columns } = profile
  const paths: string[] = []
  const lines = new Map<string, number>()
  for (let stack = 0; stack < stacks.length; stack++) {
    const caller = stacks.caller[stack]!
    const name = print(stacks.frame[stack]!)
    const path = caller < 0 ? name : `${paths[caller]};${name}`
    paths.push(path)
    const weight = columns[column]!.self[stack]!
    if (weight !== 0) lines.set(path, (lines.get(path) ?? 0) + weight)
  }
  return [...lines].map(([path, weight]) => `${path} ${weight}`).sort()
}
