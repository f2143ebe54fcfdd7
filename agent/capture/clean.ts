// Takes away what a capture that was killed has left in its target, from what it
// wrote down before (`target/leftovers.ts`).
//
// The trap: a pid is given to another process, and a file's name to another file.
// So the process must be the same one, the name one that we make, and a folder
// ours.

import fs from 'node:fs'
import { isRunning, type Target } from '../target/find.ts'
import { type Leftover, readLeftovers } from '../target/leftovers.ts'
import { pinBeneath } from '../target/open-beneath.ts'
import { pathOfDescriptor, readStat, rootOf } from '../target/procfs.ts'
import { monotonicMs } from './capture.ts'
import { attach } from './hotspot-attach.ts'

/**
 * Never throws: what cannot be taken away is told, and tried once.
 *
 * @param file as `keepLeftoversIn` was told; gone afterwards
 * @returns what was there, and what became of it: words of ours only
 */
export async function cleanLeftovers(file: string): Promise<string[]> {
  const told: string[] = []
  // The profiler first: it may still write into the folder.
  const all = readLeftovers(file).toSorted(
    (a, b) => Number(b.kind === 'profiler') - Number(a.kind === 'profiler'),
  )
  for (const each of all) {
    const outcome = await clean(each).catch(() => 'could not be taken away')
    told.push(`${each.kind} in process ${each.target.pid}: ${outcome}`)
  }
  fs.rmSync(file, { force: true })
  return told
}

const stopTimeoutMs = 5000
const ourFolder = /^sp-flamegraph-\d+-[0-9a-f]{16}$/
const ourFile = /^perf-\d+\.map$/

async function clean(leftover: Leftover): Promise<string> {
  const { target } = leftover
  if (!isRunning(target)) return 'went with it'
  switch (leftover.kind) {
    case 'profiler':
      return stop(leftover)
    case 'folder':
      return removeFolder(target, leftover.parent, leftover.name)
    case 'file':
      return removeFile(target, leftover.parent, leftover.name)
    case 'pause':
      return resume(target)
  }
}

async function stop(leftover: Extract<Leftover, { kind: 'profiler' }>): Promise<string> {
  const { target, stop: command, asTarget, untilMs } = leftover
  // It has stopped by itself, and another may be somebody else's.
  if (monotonicMs() > untilMs) return 'had ended'
  await attach(target, command, { timeoutMs: stopTimeoutMs, asTarget })
  return 'stopped'
}

function removeFolder({ pid }: Target, parent: string, name: string): string {
  if (!ourFolder.test(name)) return 'is not ours'
  const above = pinBeneath(rootOf(pid), parent)
  try {
    const here = `${pathOfDescriptor(above)}/${name}`
    const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = fs.constants
    const folder = fs.openSync(here, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    try {
      if (fs.fstatSync(folder).uid !== process.geteuid?.()) return 'is not ours'
      const inside = pathOfDescriptor(folder)
      for (const each of fs.readdirSync(inside)) fs.unlinkSync(`${inside}/${each}`)
    } finally {
      fs.closeSync(folder)
    }
    fs.rmdirSync(here)
    return 'removed'
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'was gone'
    throw error
  } finally {
    fs.closeSync(above)
  }
}

function removeFile({ pid }: Target, parent: string, name: string): string {
  if (!ourFile.test(name)) return 'is not ours'
  const above = pinBeneath(rootOf(pid), parent)
  try {
    // A link by this name goes itself, not what it points to.
    fs.rmSync(`${pathOfDescriptor(above)}/${name}`, { force: true })
    return 'removed'
  } finally {
    fs.closeSync(above)
  }
}

/** A tool that is killed between its stop and its hold of the target leaves it stopped. */
function resume({ pid }: Target): string {
  if (readStat(pid).state !== 'T') return 'runs'
  process.kill(pid, 'SIGCONT')
  return 'runs again'
}
