// After a capture, and at the daemon's start: what was killed has left something
// in its target, and is taken away from there.

import fs from 'node:fs'
import { log } from '../log.ts'
import { attempted } from '../target/candidates.ts'
import { readStat } from '../target/procfs.ts'
import type { Session } from './sessions.ts'
import { isOver } from './state.ts'
import { leftoversFile, type Store } from './store.ts'

/** Of every capture that a daemon before this one did not see to its end. */
export async function cleanAll(store: Store): Promise<void> {
  for (const { id, state, child } of store.load().sessions) {
    // It still publishes, and takes away by itself what it has put there.
    if (!isOver(state) && !isChildAlive(child)) await cleanAfter(store.folderOf(id))
  }
}

/** Never rejects. What ended by itself has left nothing, and no file that says so. */
export async function cleanAfter(folder: string): Promise<void> {
  const file = leftoversFile(folder)
  if (!fs.existsSync(file)) return
  const { cleanLeftovers } = await import('../capture/clean.ts')
  const leftovers = await cleanLeftovers(file)
  if (leftovers.length > 0) log.warn({ leftovers }, 'a capture was killed: its target is cleaned')
}

export function isChildAlive(child: Session['child']): child is NonNullable<Session['child']> {
  if (child === undefined) return false
  const stat = attempted(() => readStat(child.pid))
  return stat !== undefined && stat.startTicks === child.startTicks && !/[ZX]/.test(stat.state)
}
