// One SAMPLE record: found its fields, checked its sizes, written down in the
// few words that are kept until its time has come.
//
// Every count in a sample is what the file says, so each is held against the
// record's end before it is believed.

import type { SampleFormat } from './perf-attr.ts'
import { entryWords, type TimeOrder } from './perf-order.ts'
import { context, isContext, type RecordBytes } from './perf-records.ts'
import { countAt, userInstruction } from './perf-sample-registers.ts'
import { roomForUserStack, writeUserStack } from './perf-unwinding.ts'

/** What was seen while a sample was written down. One is used for all samples. */
export interface SampleShape {
  /** Addresses in the chain, markers not counted. */
  depth: number
  userDepth: number
}

/** Words of an entry that holds a sample; behind them its chain, whose length is the last. */
export const entry = {
  event: 0,
  pid: 1,
  tid: 2,
  period: 3,
  chainWords: entryWords - 1,
  chain: entryWords,
}

// PERF_RECORD_MISC_CPUMODE: whose an address is where no chain says it.
const cpuModes = [
  context.user, // unknown to the kernel, which is always known to itself
  context.kernel,
  context.user,
  context.hypervisor,
  context.guestKernel,
  context.guestUser,
]

// Two entries of a chain: a marker and an address.
const sectionWords = 4

/**
 * Writes a sample into `order.room`. False if its sizes do not fit: then nothing is kept.
 *
 * @param keepsUserStack the user's registers and stack are kept behind the chain (perf-unwinding.ts)
 */
export function writeSample(
  order: TimeOrder,
  event: number,
  format: SampleFormat,
  { words }: RecordBytes,
  at: number,
  size: number,
  shape: SampleShape,
  keepsUserStack = false,
): boolean {
  const start = at >> 2
  const end = (at + size) >> 2
  let place = start + format.variable
  if (place > end) return false
  if (format.hasRead) place = afterRead(words, place, end, format.readFormat)
  let chainWords = 0
  if (format.hasChain) {
    chainWords = countAt(words, place, end, 2)
    if (chainWords < 0) return false
    place += 2
  }
  const chainEnd = place + chainWords
  const extra = keepsUserStack ? roomForUserStack(chainEnd, end) : 0
  const into = order.room(entryWords + chainWords + sectionWords + extra)
  const out = order.words
  let to = into + entry.chain
  let isUser = false
  shape.depth = 0
  shape.userDepth = 0
  for (; place < chainEnd; place += 2) {
    const low = words[place]!
    const high = words[place + 1]!
    out[to++] = low
    out[to++] = high
    if (isContext(low, high)) {
      isUser ||= low === context.user
    } else {
      shape.depth++
      if (isUser) shape.userDepth++
    }
  }
  if (shape.depth === 0) {
    to = into + entry.chain
    if (format.ip >= 0) {
      const whose = cpuModes[words[start + 1]! & 7] ?? context.user
      to = writeSection(out, to, whose, words, start + format.ip)
      shape.depth = 1
      shape.userDepth = whose === context.user ? 1 : 0
    }
  } else if (shape.userDepth === 0 && format.hasUserRegisters) {
    const register = userInstruction(format, words, chainEnd, end)
    if (register < 0) return false
    if (register > 0) {
      to = writeSection(out, to, context.user, words, register)
      shape.depth++
      shape.userDepth = 1
    }
  }
  out[into + entry.event] = event
  out[into + entry.pid] = format.tid < 0 ? -1 : words[start + format.tid]!
  out[into + entry.tid] = format.tid < 0 ? -1 : words[start + format.tid + 1]!
  out[into + entry.period] = format.period < 0 ? 0 : words[start + format.period]!
  out[into + entry.period + 1] = format.period < 0 ? 0 : words[start + format.period + 1]!
  if (keepsUserStack) {
    const chain = to - into - entry.chain
    const written = writeUserStack(out, to, chain, format, words, chainEnd, end)
    if (written < 0) return false
    to += written
  }
  out[into + entry.chainWords] = to - into - entry.chain
  return true
}

function writeSection(
  out: Int32Array,
  to: number,
  whose: number,
  words: Int32Array,
  address: number,
): number {
  out[to] = whose
  out[to + 1] = -1
  out[to + 2] = words[address]!
  out[to + 3] = words[address + 1]!
  return to + sectionWords
}

const readBit = { enabled: 1, running: 2, id: 4, group: 8, lost: 16 }

/** The place behind READ, or -1. */
function afterRead(words: Int32Array, place: number, end: number, format: number): number {
  const has = (bit: number) => ((format & bit) !== 0 ? 2 : 0)
  const times = has(readBit.enabled) + has(readBit.running)
  const value = 2 + has(readBit.id) + has(readBit.lost)
  if ((format & readBit.group) === 0) {
    const after = place + times + value
    return after <= end ? after : -1
  }
  const size = countAt(words, place, end, value, times)
  return size < 0 ? -1 : place + 2 + size
}
