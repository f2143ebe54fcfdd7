// What `py-spy record --format raw` writes: folded text in which a frame says
// its file and line.
//
//     process 71:"python3 app.py";thread (71): MainThread;run (threading.py:982);burn (app.py:9) 30
//     PyEval_EvalCode (python3.11);memcpy (memmove.S:312);read (libc.so.6) 4
//
// The code that writes it is https://github.com/benfred/py-spy/blob/master/src/flamegraph.rs
//
// Its traps: a command line may hold semicolons, quotes and even newlines, and
// none is escaped; and with `--native` frames of C stand among those of Python, told
// apart only by the file. The command line is dropped: it is personal, and the
// process id says all that a flame graph needs.

import { readFoldedLines } from './folded-lines.ts'
import { readFrameText } from './frame-text.ts'
import { type Chunks, wholeLines } from './lines.ts'
import type { Frame, ProfileBuilder } from './profile.ts'

/**
 * Reads py-spy's raw format.
 *
 * @throws {ProfilerError} `SP_FOLDED_MALFORMED`, with the line's number.
 */
export function readPySpyRaw(chunks: Chunks, builder: ProfileBuilder): Promise<void> {
  return readFoldedLines(withoutCommandLines(chunks), builder, readPySpyFrame, emptyStack)
}

/** A thread that was about to begin or had just ended: py-spy writes its count after nothing. */
const emptyStack = 'of threads without a stack'

/**
 * True when a line has a frame with a file and a line of Python, or a process
 * with its command line: folded text has either by chance only. The first line
 * alone would not do, because a stack may be all native.
 */
export function detectPySpyRaw(head: Uint8Array): boolean | undefined {
  const text = new TextDecoder().decode(head)
  const lines = text.split('\n').filter(line => line.trim() !== '')
  if (lines.length === 0) return undefined
  return lines.some(line => pythonLine.test(line))
}

const pythonLine =
  /^process \d+:"|^thread \(\w+\): |\((?:[^();]+\.py|<[^();]+>):\d+\)(?=;| +[\d.]+\r?$)/

function readPySpyFrame(text: string, isRoot: boolean): Frame {
  if (threadName.test(text)) return { name: text, kind: 'thread' }
  const place = placeOf(text)
  if (place === undefined) return readFrameText(text, isRoot)
  const { name, file, line } = place
  // An address of this run says nothing, and would keep equal stacks apart.
  if (address.test(name)) {
    return { name: `[${file}]`, kind: 'unknown', module: file, reason: 'unnamed by the tool' }
  }
  if (line === undefined) {
    return pythonFile.test(file)
      ? { name, kind: 'interpreted', file }
      : { name, kind: 'native', module: file }
  }
  return { name, kind: nativeSource.test(file) ? 'native' : 'interpreted', file, line }
}

const threadName = /^(?:thread \(\w+\)|process \d+$)/
const address = /^0x[0-9a-f]+$/
const pythonFile = /\.py$|^<.*>$/
/** What the debug information of a native library, or of Cython, names. */
const nativeSource = /\.(?:c|cc|cpp|cxx|h|hh|hpp|hxx|rs|pyx|pxd|S|s|asm|go|f|f90)$/

/** The last balanced pair of parentheses: a name may have its own, and so may a file. */
function placeOf(
  text: string,
): { name: string; file: string; line: number | undefined } | undefined {
  if (!text.endsWith(')')) return undefined
  let depth = 0
  for (let at = text.length - 1; at > 0; at--) {
    if (text[at] === ')') depth++
    if (text[at] !== '(' || --depth > 0) continue
    if (text[at - 1] !== ' ' || at < 2) return undefined
    const place = text.slice(at + 1, -1)
    const [, file, line] = /^(.+):(\d{1,9})$/s.exec(place) ?? []
    if (place === '') return undefined
    return {
      name: text.slice(0, at - 1),
      file: file ?? place,
      line: line === undefined ? undefined : Number(line),
    }
  }
  return undefined
}

/** The same lines with `process 71` for `process 71:"command line"`, and as many of them. */
async function* withoutCommandLines(chunks: Chunks): AsyncGenerator<Uint8Array> {
  let open = ''
  let joined = 0
  for await (const { bytes, end } of wholeLines(chunks)) {
    const block = bytes.subarray(0, end)
    if (open === '' && !block.includes('process ')) {
      yield block
      continue
    }
    let out = ''
    for (const line of block.toString('utf8', 0, end - 1).split('\n')) {
      if (open === '' && !line.startsWith('process ')) {
        out += `${line}\n`
        continue
      }
      open = open === '' ? line : `${open}\n${line}`
      const whole = withoutCommandLine(open)
      if (whole === undefined && joined < maxJoined && open.length < maxOpenLength) {
        joined++
        continue
      }
      out += (whole ?? '(a command line without an end)') + '\n'.repeat(joined + 1)
      open = ''
      joined = 0
    }
    yield Buffer.from(out)
  }
  // What is open now is no stack; the reader of lines will say so.
  if (open !== '') yield Buffer.from('(a command line without an end)\n')
}

// A script on a command line may have lines of its own. Linux allows 128 KiB for one argument.
const maxJoined = 1000
const maxOpenLength = 512 * 1024

/**
 * A line without its command lines; undefined when one of them goes on in the
 * next line. A command line ends at the last `";`, because what follows it
 * (threads and functions) has none, but for the command lines of the processes
 * that this one started. After it comes a stack, whose leaf has a file.
 */
function withoutCommandLine(line: string): string | undefined {
  const frames: string[] = []
  let rest = line
  for (let name = processName.exec(rest); name !== null; name = processName.exec(rest)) {
    frames.push(name[1]!)
    rest = rest.slice(name[0].length)
    const child = rest.search(/";process \d+:"/)
    const end = child >= 0 ? child : rest.lastIndexOf('";')
    if (end < 0) return undefined
    rest = rest.slice(end + 2)
  }
  return frames.length === 0 || / \([^;]+\) \d+\r?$/.test(rest)
    ? [...frames, rest].join(';')
    : undefined
}

const processName = /^(process \d+):"/
