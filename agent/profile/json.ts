// JSON that a stranger made, read whole.
//
// `JSON.parse` wants all of the text at once and makes up to four times its size
// of numbers, and far more of empty arrays. 256 MiB is six hours of V8 samples
// at 1 kHz; the limits on depth and on how many arrays and objects there are
// keep the rest from being worse than numbers. Both are looked at before
// anything is parsed, because afterwards is too late.

import { type ErrorCode, ProfilerError } from '../errors.ts'
import type { Chunks } from './lines.ts'

const maxBytes = 256 * 1024 * 1024
/** Twice the deepest stack that a runtime has by default, as the old cpuprofile nests two levels a call. */
const maxDepth = 50_000
/** Some 60 bytes each when empty: half a gigabyte. */
const maxContainers = 8_000_000

/** @throws {ProfilerError} `code` when it is not JSON, `SP_LIMIT` when it is too large or nested too deep. */
export async function readJson(chunks: Chunks, code: ErrorCode): Promise<unknown> {
  const decoder = new TextDecoder()
  const scan = { depth: 0, containers: 0, inString: false, escaped: false }
  const parts: string[] = []
  let length = 0
  for await (const chunk of chunks) {
    length += chunk.length
    if (length > maxBytes) throw tooMuch(`larger than ${maxBytes} bytes`)
    scanNesting(chunk, scan)
    parts.push(decoder.decode(chunk, { stream: true }))
  }
  parts.push(decoder.decode())
  try {
    return JSON.parse(parts.join(''))
  } catch (cause) {
    // V8 quotes the text that it stumbled on, which may be personal: the message is ours.
    throw new ProfilerError(code, `the input of ${length} bytes is not whole JSON`, { cause })
  }
}

interface NestingScan {
  depth: number
  containers: number
  inString: boolean
  escaped: boolean
}

function scanNesting(chunk: Uint8Array, scan: NestingScan): void {
  for (let at = 0; at < chunk.length; at++) {
    const byte = chunk[at]!
    if (scan.inString) {
      if (scan.escaped) scan.escaped = false
      else if (byte === 0x5c) scan.escaped = true
      else if (byte === 0x22) scan.inString = false
    } else if (byte === 0x22) {
      scan.inString = true
    } else if (byte === 0x5b || byte === 0x7b) {
      if (++scan.depth > maxDepth) throw tooMuch(`nested deeper than ${maxDepth} levels`)
      if (++scan.containers > maxContainers) {
        throw tooMuch(`made of more than ${maxContainers} arrays and objects`)
      }
    } else if (byte === 0x5d || byte === 0x7d) {
      scan.depth--
    }
  }
}

function tooMuch(what: string): ProfilerError {
  return new ProfilerError('SP_LIMIT', `the JSON input is ${what}`)
}

/**
 * The keys of the outermost object, as far as the head goes; undefined when the
 * text is no JSON object. What profile it is shows in them, whatever their order.
 */
export function topLevelKeys(head: Uint8Array): Set<string> | undefined {
  const text = new TextDecoder().decode(head)
  const start = text.search(/[^\s]/)
  if (start < 0 || text[start] !== '{') return undefined
  const keys = new Set<string>()
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const char = text[at]!
    if (char === '{' || char === '[') depth++
    else if (char === '}' || char === ']') depth--
    else if (char === '"') {
      const from = at + 1
      for (at = from; at < text.length && text[at] !== '"'; at++) if (text[at] === '\\') at++
      if (depth === 1 && /^\s*:/.test(text.slice(at + 1, at + 64))) keys.add(text.slice(from, at))
    }
  }
  return keys
}

// `JSON.parse` promises nothing about shapes.

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(item => typeof item === 'number')
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
