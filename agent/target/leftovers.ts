// What of ours is in a target while a capture runs, written down before it is put
// there: should we be killed with -9, whoever comes next takes it away
// (`capture/clean.ts`).
//
// Most ends by itself: tools die with us, an inspector that we opened closes after
// its lease, async-profiler has a timeout. What does not, or takes long, is here.
//
// Kept only where somebody will come: by the daemon's captures, in their folder.
// The file is of the page cache, which outlives a process; no power cut leaves a
// target behind.

import fs from 'node:fs'
import { type Target, targetOf } from './find.ts'
import { readStat } from './procfs.ts'

export type Leftover =
  /** A folder of ours (`place-beneath.ts`), or a file that the target wrote for us. */
  | {
      readonly kind: 'folder' | 'file'
      readonly target: Target
      readonly parent: string
      readonly name: string
    }
  /** A profiler that runs in the target until it is told to stop, or until that moment. */
  | {
      readonly kind: 'profiler'
      readonly target: Target
      /** What the target is told to end it, over the attach protocol. */
      readonly stop: readonly [string, ...string[]]
      readonly asTarget: boolean
      /** On the monotonic clock, which all processes of a machine share, and which nobody sets. */
      readonly untilMs: number
    }
  /** A target that a tool stops for each sample, and that ran before. */
  | { readonly kind: 'pause'; readonly target: Target }

const maxFileBytes = 256 * 1024

let journal: string | undefined
const noted = new Set<Leftover>()

/** From now on leftovers are written into this file, which is in a folder of ours alone. */
export function keepLeftoversIn(file: string): void {
  journal = file
}

/** To be called before it is there; what is returned, when it is gone. */
export function noteLeftover(leftover: Leftover): () => void {
  noted.add(leftover)
  write()
  return () => {
    if (noted.delete(leftover)) write()
  }
}

/** Of a tool that may stop its target; one that stands still already stays as it is. */
export function notePause({ pid, pause }: { pid: number; pause: boolean }): () => void {
  if (!pause || readStat(pid).state === 'T') return () => {}
  return noteLeftover({ kind: 'pause', target: targetOf(pid) })
}

/** Empty where there is no file. */
export function readLeftovers(file: string): Leftover[] {
  try {
    if (fs.statSync(file).size > maxFileBytes) return []
    const read: unknown = JSON.parse(fs.readFileSync(file, 'utf8'))
    return Array.isArray(read) ? read : []
  } catch {
    return []
  }
}

function write(): void {
  if (journal === undefined) return
  try {
    if (noted.size === 0) fs.rmSync(journal, { force: true })
    else {
      fs.writeFileSync(`${journal}.partial`, JSON.stringify([...noted]), { mode: 0o600 })
      fs.renameSync(`${journal}.partial`, journal)
    }
  } catch {
    // The disk is full: then only what ends by itself does, should we be killed too.
  }
}
