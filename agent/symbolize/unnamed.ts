// How much of a profile has no name, and why: what its quality is judged by.

import { weightOf } from '../profile/call-tree.ts'
import { noCaller, type Profile, type UnknownReason } from '../profile/profile.ts'

export interface Unnamed {
  /** Shares of the column's weight, 0 to 1: samples whose leaf has no name, and samples with any frame without one. */
  readonly leaf: number
  readonly anywhere: number
  /** Each sample once, for its unnamed frame nearest to the leaf; the shares of each list add up to `anywhere`. Largest first. */
  readonly byReason: readonly { readonly reason: UnknownReason; readonly share: number }[]
  readonly byModule: readonly {
    readonly module: string
    readonly reason: UnknownReason
    readonly share: number
  }[]
}

export function unnamed(profile: Profile, column = 0): Unnamed {
  const { frames, stacks } = profile
  const { self } = profile.columns[column]!
  const all = weightOf(profile, column)
  // The unnamed frame nearest to each stack's leaf, or none.
  const nearest = new Int32Array(stacks.length)
  const byFrame = new Map<number, number>()
  let leaf = 0
  let anywhere = 0
  for (let index = 0; index < stacks.length; index++) {
    const frame = stacks.frame[index]!
    const caller = stacks.caller[index]!
    const isUnnamed = frames[frame]!.kind === 'unknown'
    const found = isUnnamed ? frame : caller === noCaller ? none : nearest[caller]!
    nearest[index] = found
    const weight = self[index]!
    if (weight === 0 || found === none) continue
    if (isUnnamed) leaf += weight
    anywhere += weight
    byFrame.set(found, (byFrame.get(found) ?? 0) + weight)
  }

  const byReason = new Map<UnknownReason, number>()
  const byModule = new Map<string, { module: string; reason: UnknownReason; share: number }>()
  for (const [frame, weight] of byFrame) {
    const { module = '', reason = 'unnamed by the tool' } = frames[frame]!
    const share = weight / all
    byReason.set(reason, (byReason.get(reason) ?? 0) + share)
    const key = `${reason}\0${module}`
    const entry = byModule.get(key) ?? { module, reason, share: 0 }
    entry.share += share
    byModule.set(key, entry)
  }
  const largestFirst = (a: { share: number }, b: { share: number }) => b.share - a.share
  return {
    leaf: all === 0 ? 0 : leaf / all,
    anywhere: all === 0 ? 0 : anywhere / all,
    byReason: [...byReason].map(([reason, share]) => ({ reason, share })).sort(largestFirst),
    byModule: [...byModule.values()].sort(largestFirst),
  }
}

const none = -1
