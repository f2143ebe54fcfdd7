// A capture of folded stacks, ready to be published.

import { readConfig, type Settings } from '../agent/config.ts'
import { ProfileBuilder } from '../agent/profile/profile.ts'
import { readProfile } from '../agent/profile/readers.ts'
import type { Draft } from '../agent/publish/artefacts.ts'
import { describeRendering } from '../agent/publish/describe.ts'

/** The settings of these flags, and nothing from our own environment. */
export function settingsOf(flags: Readonly<Record<string, unknown>>): Settings {
  return readConfig(flags, {}).settings
}

export async function draftOf(stacks: string, settings: Settings): Promise<Draft> {
  const builder = new ProfileBuilder()
  const read = await readProfile([Buffer.from(stacks)], builder)
  const rendering = { profile: builder.build(), read: [read], symbols: [], problems: [] }
  return describeRendering(rendering, { settings, startedAt: new Date(), version: '0.0.0' })
}

/** Some 40 bytes each: as many lines as a file of that size needs. */
export function manyStacks(count: number): string {
  const line = (index: number) => `main;handle_${index};parse_the_request_${index * 7919} 1\n`
  return Array.from({ length: count }, (_, index) => line(index)).join('')
}
