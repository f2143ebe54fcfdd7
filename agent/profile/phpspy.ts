// What `phpspy` writes: a frame after the other, the leaf first, each with its
// depth; a tab or a newline ends a frame, and depth 0 begins the next sample.
//
//     0 Cart::total /srv/shop.php:12<tab>1 <main> /srv/index.php:3<tab>
//     0 sleep <internal>:-1<tab>1 <main> /srv/index.php:5<tab>
//
// The code that writes it is https://github.com/adsr/phpspy/blob/master/event_fout.c
//
// Its traps: a sample that is longer than its buffer (4 KiB) is cut at the end,
// which is the root; a path may hold spaces, a closure's name its file; and lines
// that begin with `#` are what else it was asked for, such as cookies: they are
// never kept. The line is left out, so that a function is one frame.

import { type Chunks, newline, wholeLines } from './lines.ts'
import { type Frame, noCaller, type ProfileBuilder } from './profile.ts'

/** Reads phpspy's text, of one line a sample or of one line a frame. Every sample weighs one. */
export async function readPhpspy(chunks: Chunks, builder: ProfileBuilder): Promise<void> {
  const column = builder.column('samples', 'samples')
  let sample: string[] = []
  let cut = 0
  let foreign = 0
  const close = () => {
    if (sample.length === 0) return
    let stack = noCaller
    // Cut: its last frame is what was left of one, and the callers of that are missing.
    if (!isWhole(sample.at(-1)!)) {
      sample.pop()
      cut++
      stack = builder.stack(stack, builder.frame(cutFrame))
    }
    for (const text of sample.reverse()) stack = builder.stack(stack, frameOf(text))
    builder.add(stack, column, 1)
    sample = []
  }
  const frameIds = new Map<string, number>()
  const frameOf = (text: string) => {
    let id = frameIds.get(text)
    if (id === undefined) {
      if (frameIds.size >= maxKnown) frameIds.clear()
      id = builder.frame(readPhpspyFrame(text))
      frameIds.set(text, id)
    }
    return id
  }

  for await (const { bytes, end } of wholeLines(chunks)) {
    for (let start = 0; start < end; ) {
      const lineEnd = bytes.indexOf(newline, start)
      const line = bytes.toString('utf8', start, lineEnd)
      start = lineEnd + 1
      for (const text of line.split('\t')) {
        if (text === '' || text.startsWith('#')) continue
        const depth = /^\d{1,6} /.exec(text)
        if (depth === null) foreign++
        else if (depth[0] === '0 ') close()
        if (depth !== null && sample.length < maxDepth) sample.push(text)
      }
    }
  }
  close()
  if (cut > 0) builder.note(`${cut} stacks are longer than phpspy's buffer, and cut at the root.`)
  if (foreign > 0) builder.lose('that are no frames of phpspy', foreign)
}

/** True when the first line begins with the leaf of a sample. */
export function detectPhpspy(head: Uint8Array): boolean | undefined {
  const text = new TextDecoder().decode(head)
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  if (lines.length === 0) return undefined
  return lines[0]!.startsWith('0 ') && isWhole(lines[0]!.split('\t')[0]!)
}

// Ten thousand functions are a large application.
const maxKnown = 100_000
// Where recursion is deeper the stack is long past being read.
const maxDepth = 10_000

const cutFrame: Frame = { name: '[cut by phpspy]', kind: 'unknown', reason: 'unnamed by the tool' }

/** It ends in a line, -1 for what has none. */
function isWhole(text: string): boolean {
  return /^\d{1,6} \S/.test(text) && /:-?\d{1,10}$/.test(text)
}

function readPhpspyFrame(text: string): Frame {
  const rest = text.replace(/^\d+ /, '').replace(/:-?\d+$/, '')
  // No name of PHP holds a blank; a path may.
  const blank = rest.indexOf(' ')
  if (blank <= 0) return { name: rest.trim() || '<main>', kind: 'interpreted' }
  const [name, file] = [rest.slice(0, blank), rest.slice(blank + 1)]
  // What PHP brings along is C.
  if (file === '<internal>') return { name, kind: name === '<main>' ? 'interpreted' : 'native' }
  return { name, kind: 'interpreted', file }
}
