// A capture as it is seen while it runs: a summary, and the picture so far.
//
// Both are made when somebody asks, of what may leave: the names are redacted, and
// the picture goes through the gate like every artefact. A look costs time in the
// process that also reads what the tool gives, so it is made in steps between which
// that is read, and not again before forty times its cost has passed.

import { setImmediate } from 'node:timers/promises'
import { monotonicMs } from '../capture/capture.ts'
import { functions, weightOf } from '../profile/call-tree.ts'
import type { FrameKind } from '../profile/profile.ts'
import { assess, type Quality } from '../profile/quality.ts'
import { gate, type Passed } from '../redact/gate.ts'
import type { RedactionPolicy } from '../redact/policy.ts'
import { redact, redactTexts } from '../redact/redact.ts'
import type { Redacted } from '../redact/redacted.ts'
import { renderSvg } from '../render/svg.ts'
import { cutLong } from '../render/svg-text.ts'
import type { Glance, Sampling, Watch } from '../symbolize/watch.ts'
import { artefactPolicy, type Draft, redactDraft } from './artefacts.ts'
import { type CaptureContext, describeCapture } from './describe.ts'
import { artefactNames } from './place.ts'

/** Plain data throughout: what an event of a stream, or a line of JSON, holds. */
export interface LiveView {
  readonly pid: number
  readonly tool: string
  readonly mode: string
  /** Of the sampling, which may have begun anew with another tool. */
  readonly elapsedMs: number
  readonly durationMs: number
  /** False when nothing more will come. */
  readonly isSampling: boolean
  /** How many there are, how fast they come, how far to trust them; undefined before the first. */
  readonly quality?: Quality
  /** The functions with most weight of their own, heaviest first, as shares of all. */
  readonly top: readonly {
    readonly name: string
    readonly kind: FrameKind
    readonly self: number
  }[]
}

export interface Live {
  /** Undefined before it samples. */
  view(): Promise<Redacted<LiveView> | undefined>
  /**
   * The flame graph so far; undefined before anything was sampled.
   *
   * @throws {ProfilerError} `SP_REDACTION_REFUSED`; the next one may pass
   */
  picture(): Promise<Passed | undefined>
  /** From now on the finished capture is what is seen. */
  finish(draft: Draft): void
}

export function openLive(watch: Watch, context: CaptureContext): Live {
  const policy = artefactPolicy(context.settings)
  let finished: Draft | undefined
  /** What was seen last: between the sampling and the finished capture nothing else is there. */
  let last: Draft | undefined
  let looked: Sampling | undefined
  let known: Omit<LiveView, 'isSampling' | 'quality' | 'top'> | undefined

  const draftNow = paced(async () => {
    const { sampling } = watch
    // Of the window before this one, or of a tool that failed, nothing is shown any more.
    if (sampling !== undefined && sampling !== looked) [looked, last] = [sampling, undefined]
    const glance = sampling?.look()
    if (glance !== undefined) last = describeGlance(glance, context)
    return last
  })
  const draft = async () => finished ?? (await draftNow())
  const makeSummary = async () => {
    const seen = await draft()
    return seen && summarize(seen, policy)
  }
  const makePicture = async () => {
    const seen = await draft()
    if (seen === undefined) return undefined
    await setImmediate()
    const { profile, page } = redactDraft(seen, policy)
    await setImmediate()
    const bytes = Buffer.from(renderSvg(profile, page))
    await setImmediate()
    return gate({ name: artefactNames.svg, bytes, format: 'svg' }, policy)
  }
  let summaryNow = paced(makeSummary)
  let pictureNow = paced(makePicture)
  return {
    async view() {
      watch.attend()
      const seen = await summaryNow()
      const { sampling } = watch
      if (sampling !== undefined) {
        const { pid, tool, mode, durationMs } = sampling.description
        const elapsedMs = Math.round(monotonicMs() - sampling.beganMs)
        known = { pid, tool, mode, elapsedMs, durationMs }
      }
      if (known === undefined) return undefined
      const isSampling = sampling !== undefined && finished === undefined
      return redactTexts<LiveView>({ ...known, isSampling, ...(seen ?? { top: [] }) }, policy)
    },
    picture() {
      watch.attend()
      return pictureNow()
    },
    finish(draft) {
      finished = draft
      summaryNow = paced(makeSummary)
      pictureNow = paced(makePicture)
    },
  }
}

function describeGlance(glance: Glance, context: CaptureContext): Draft {
  const settings = { ...context.settings, stat: false }
  const draft = describeCapture(glance, { ...context, settings })
  const { end, description } = glance
  const seconds = ((end.endedMs - end.startedMs) / 1000).toFixed(1)
  const still = `Still sampling: seen after ${seconds} of ${description.durationMs / 1000} s`
  return { ...draft, subtitle: [still, ...draft.subtitle] }
}

// Enough for a line, a table and a glance.
const topCount = 10
const longestName = 200

type Summary = Pick<LiveView, 'quality' | 'top'>

function summarize({ profile, facts }: Draft, policy: RedactionPolicy): Summary {
  const heaviest = functions(profile).slice(0, topCount)
  const weight = weightOf(profile)
  // Whole names: a value that is cut in two is known by neither half.
  const frames = heaviest.map(({ frame }) => profile.frames[frame]!)
  const noStacks = { length: 0, caller: new Int32Array(), frame: new Int32Array() }
  const some = { frames, stacks: noStacks, columns: [], loss: profile.loss, notes: [] }
  const { profile: safe } = redact(some, {}, policy)
  return {
    quality: assess({ ...profile, loss: safe.loss }, facts),
    top: heaviest
      .filter(({ self }) => self > 0)
      .map(({ self }, at) => {
        const { name, kind } = safe.frames[at]!
        return { name: cutLong(name, longestName), kind, self: self / weight }
      }),
  }
}

// So that numbers and picture together take a twentieth of a core at most, however large the profile is.
const restFactor = 40

/** Makes it when it is asked for, but not again before it has rested: until then it is the same. */
function paced<Made>(make: () => Promise<Made>): () => Promise<Made> {
  let made: Promise<Made> | undefined
  let restsUntilMs = Number.NEGATIVE_INFINITY
  return () => {
    if (made !== undefined && monotonicMs() < restsUntilMs) return made
    const before = process.cpuUsage()
    restsUntilMs = Number.POSITIVE_INFINITY
    // Not by the clock: on a busy machine others have most of that.
    const rest = () => {
      const { user, system } = process.cpuUsage(before)
      restsUntilMs = monotonicMs() + (restFactor * (user + system)) / 1000
    }
    made = make()
    made.then(it => {
      if (it === undefined) restsUntilMs = Number.NEGATIVE_INFINITY
      else rest()
    }, rest)
    return made
  }
}
