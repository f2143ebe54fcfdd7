// Whether there is memory beside the target: a container of `kubectl debug` has no
// limit of its own, and what it takes counts for the pod that the target lives in.
//
// What is read in the target's own mount may be forged: it can only make us more
// careful, and what is near its limit without any doubt is not captured at all.
//
// The trap: no container sees the cgroup of its pod. Version 1 tells its limit, not
// what is used of it, which is at least ours and the target's. Version 2 tells
// neither: there the target's own limit is all that is known, so it is only said.

import { ProfilerError } from '../errors.ts'
import type { ProcessFacts } from '../target/facts.ts'
import {
  captureBytes,
  cgroupRoot,
  leastCaptureBytes,
  type Memory,
  readMemory,
} from '../target/limits.ts'

// memory.stat has 2 KB.
const maxFileBytes = 16 << 10

/** What of it is said in a sentence, and whether a capture would be too much. */
interface Near {
  readonly note: string
  readonly isTooNear: boolean
}

/** Of the container that the target is in; undefined where that is ours, or tells nothing. */
export function memoryOfTarget(facts: ProcessFacts): Memory | undefined {
  if (facts.sharesMounts) return undefined
  return readMemory(name =>
    facts.readFile(`${cgroupRoot}/${name}`, maxFileBytes)?.toString('latin1'),
  )
}

/** @param theirs of the target's container */
export function memoryNotes(ours: Memory, theirs: Memory | undefined): string[] {
  const near = theirs && nearLimit(ours, theirs)
  return near === undefined ? [] : [near.note]
}

/** @throws {ProfilerError} `SP_BUDGET` where the application might be killed for what a capture takes */
export function checkMemory(ours: Memory, theirs: Memory | undefined): void {
  const near = theirs && nearLimit(ours, theirs)
  if (near?.isTooNear) throw new ProfilerError('SP_BUDGET', near.note)
}

function nearLimit(ours: Memory, theirs: Memory): Near | undefined {
  const podBytes = ours.smallestLimitBytes
  const podLeft = podBytes - ours.usedBytes - theirs.usedBytes
  // Of version 1. Where our own limit is the smaller one, ours is reached before the pod's.
  if (podBytes < ours.limitBytes && podLeft < captureBytes) {
    const isTooNear = podLeft < leastCaptureBytes
    const then = isTooNear ? 'nothing is captured: ' : ''
    const note = `the memory limit of the pod is near: ${leftOf(podLeft, podBytes)}; ${then}${taken}, and the kernel may end the application for it`
    return { note, isTooNear }
  }
  const left = theirs.limitBytes - theirs.usedBytes
  const isOursUnlimited = ours.smallestLimitBytes === Number.POSITIVE_INFINITY
  if (isOursUnlimited && left - ours.usedBytes < captureBytes) {
    const note = `the memory limit of its container is near: ${leftOf(left, theirs.limitBytes)}; ${taken}, and counts for its pod, for we have no limit of our own: use the sidecar, or raise the limit of the application`
    return { note, isTooNear: false }
  }
  if (left >= leastCaptureBytes) return undefined
  const note = `the memory limit of its container is near: ${leftOf(left, theirs.limitBytes)}; what collects in the process itself (async-profiler, JFR, an inspector) takes from that`
  return { note, isTooNear: false }
}

const taken = `a capture takes ${leastCaptureBytes >> 20} to ${captureBytes >> 20} MiB`

function leftOf(left: number, of: number): string {
  const mebibytes = (bytes: number) => Math.max(0, Math.floor(bytes / 2 ** 20))
  return `${mebibytes(left)} MiB are left of ${mebibytes(of)}`
}
