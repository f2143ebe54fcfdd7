// The line that begins a sample in the text of `perf script`.
//
//     node  1234/1240  [003]  921.637786:   10101010 cpu-clock:u:
//     comm  pid/tid    [cpu]  time:         period   event:       rest
//
// A comm is 15 bytes of anything (spaces, digits, colons, brackets) and may stand
// right-aligned; an event's name may hold colons; what follows may be a
// tracepoint's payload, in which a stranger's text can look like anything. So we
// do not count fields. The anchor is the first token that can be the time, a
// dotted number and a colon, with a pid before it; comm is all before that, and
// the event ends at the next colon that a blank follows.
//
// With `-F` the time may be missing. Then, and only then, a pattern has to do.

export interface EventLine {
  commStart: number
  commEnd: number
  tid: number
  /** NaN when not printed. */
  period: number
  /** Empty (start = end) when not printed. */
  eventStart: number
  eventEnd: number
  /** What follows the event: empty, or one frame, or a tracepoint's payload. */
  restStart: number
  hasTime: boolean
}

export function emptyEventLine(): EventLine {
  return {
    commStart: 0,
    commEnd: 0,
    tid: 0,
    period: Number.NaN,
    eventStart: 0,
    eventEnd: 0,
    restStart: 0,
    hasTime: false,
  }
}

const colon = 0x3a
const minus = 0x2d

/** Reads the line in `bytes[start..end)` into `into`; false when it begins no sample. */
export function readEventLine(bytes: Buffer, start: number, end: number, into: EventLine): boolean {
  start = skipBlanks(bytes, start, end)
  while (end > start && bytes[end - 1]! <= 0x20) end--
  for (let at = start; at < end; at++) {
    if (bytes[at] !== colon || !isBlankOrEnd(bytes, at + 1, end)) continue
    const time = timeBefore(bytes, start, at)
    if (time < 0 || !readTask(bytes, start, time, into)) continue
    readEvent(bytes, at + 1, end, into)
    into.hasTime = true
    return true
  }
  return readWithoutTime(bytes, start, end, into)
}

/** Where the dotted number that ends at `end` starts, or -1. */
function timeBefore(bytes: Buffer, start: number, end: number): number {
  const dot = digitsBefore(bytes, start, end) - 1
  if (dot + 1 === end || dot <= start || bytes[dot] !== 0x2e) return -1
  const time = digitsBefore(bytes, start, dot)
  return time < dot && time > start && isBlank(bytes[time - 1]!) ? time : -1
}

/** Reads `comm pid/tid [cpu]`, which ends at `end`. */
function readTask(bytes: Buffer, start: number, end: number, into: EventLine): boolean {
  let at = blanksBefore(bytes, start, end)
  if (at > start && bytes[at - 1] === 0x5d) {
    const cpu = digitsBefore(bytes, start, at - 1)
    if (cpu === at - 1 || cpu <= start || bytes[cpu - 1] !== 0x5b) return false
    at = blanksBefore(bytes, start, cpu - 1)
  }
  let id = digitsBefore(bytes, start, at)
  if (id === at) return false
  into.tid = numberAt(bytes, id, at)
  if (id > start && bytes[id - 1] === minus) id--
  if (id > start && bytes[id - 1] === 0x2f) {
    const pid = digitsBefore(bytes, start, id - 1)
    if (pid < id - 1) id = pid > start && bytes[pid - 1] === minus ? pid - 1 : pid
  }
  if (id > start && !isBlank(bytes[id - 1]!)) return false
  into.commStart = start
  into.commEnd = blanksBefore(bytes, start, id)
  return true
}

function readEvent(bytes: Buffer, start: number, end: number, into: EventLine): void {
  let at = skipBlanks(bytes, start, end)
  let digits = at
  while (digits < end && isDigit(bytes[digits]!)) digits++
  into.period = Number.NaN
  if (digits > at && isBlankOrEnd(bytes, digits, end)) {
    into.period = numberAt(bytes, at, digits)
    at = skipBlanks(bytes, digits, end)
  }
  into.eventStart = at
  into.eventEnd = at
  into.restStart = at
  for (let colonAt = at; colonAt < end; colonAt++) {
    if (bytes[colonAt] !== colon || !isBlankOrEnd(bytes, colonAt + 1, end)) continue
    into.eventEnd = colonAt
    into.restStart = skipBlanks(bytes, colonAt + 1, end)
    return
  }
}

const withoutTime =
  /^(?<comm>\S.*?)\s+(?:\d+\/)?(?<tid>\d+)\s+(?:\[\d+\]\s+)?(?:(?<period>\d+)\s+)?(?<event>[\w./:=,-]+):(?:\s+|$)/d

/** Longer, and a hostile line could keep the pattern busy. */
const maxPatternBytes = 512

function readWithoutTime(bytes: Buffer, start: number, end: number, into: EventLine): boolean {
  if (end - start > maxPatternBytes) return false
  const match = withoutTime.exec(bytes.toString('latin1', start, end))
  if (match === null) return false
  const { comm, event } = match.indices!.groups!
  into.commStart = start + comm![0]
  into.commEnd = start + comm![1]
  into.tid = Number(match.groups!['tid'])
  into.period = Number(match.groups!['period'] ?? Number.NaN)
  into.eventStart = start + event![0]
  into.eventEnd = start + event![1]
  into.restStart = start + match[0].length
  into.hasTime = false
  return true
}

function numberAt(bytes: Buffer, start: number, end: number): number {
  let value = 0
  for (let at = start; at < end; at++) value = value * 10 + bytes[at]! - 0x30
  return value
}

function digitsBefore(bytes: Buffer, start: number, end: number): number {
  while (end > start && isDigit(bytes[end - 1]!)) end--
  return end
}

function blanksBefore(bytes: Buffer, start: number, end: number): number {
  while (end > start && isBlank(bytes[end - 1]!)) end--
  return end
}

function skipBlanks(bytes: Buffer, start: number, end: number): number {
  while (start < end && isBlank(bytes[start]!)) start++
  return start
}

function isBlankOrEnd(bytes: Buffer, at: number, end: number): boolean {
  return at >= end || isBlank(bytes[at]!)
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}
