// Has a JVM write its perf map, /tmp/perf-<its own pid>.map: the names of its
// compiled code at this moment (`jcmd PID Compiler.perfmap`, JDK 17 and newer).
//
// It is written twice: at the start, so that there is one if the target dies, and
// at the end, with what was compiled meanwhile. The JVM writes into the same file,
// so whoever has opened it at the start reads the newer one. Then it goes, unless
// it was there before us.

import fs from 'node:fs'
import { ProfilerError } from '../errors.ts'
import { type Target, targetOf } from '../target/find.ts'
import { noteLeftover } from '../target/leftovers.ts'
import { pinBeneath } from '../target/open-beneath.ts'
import { pathOfDescriptor, readStatus, rootOf } from '../target/procfs.ts'
import { attach } from './hotspot-attach.ts'

export interface JvmPerfMap {
  /** Writes it anew, and takes it away: who reads it has opened it before. */
  finish(): Promise<void>
  /** Why there is none, as a sentence. */
  readonly problem: string | undefined
}

// Ten thousand methods are written in some 20 ms.
const timeoutMs = 5000

export async function writeJvmPerfMap(pid: number, asTarget: boolean): Promise<JvmPerfMap> {
  const target = targetOf(pid)
  const name = `perf-${readStatus(pid).nspid}.map`
  const folder = pinBeneath(rootOf(pid), '/tmp')
  const file = `${pathOfDescriptor(folder)}/${name}`
  const isOurs = fs.lstatSync(file, { throwIfNoEntry: false }) === undefined
  const forget = isOurs ? noteLeftover({ kind: 'file', target, parent: '/tmp', name }) : () => {}
  let problem: string | undefined
  try {
    await write(target, asTarget)
  } catch (error) {
    if (!(error instanceof ProfilerError)) throw error
    problem = `The JVM wrote no perf map: ${error.message}.`
  }
  return {
    problem,
    async finish() {
      // Where it is gone, or stands still, there is the older one.
      if (problem === undefined) await write(target, asTarget).catch(() => {})
      try {
        if (isOurs) fs.rmSync(file, { force: true })
      } catch {
        // Its file system went with the target.
      }
      forget()
      fs.closeSync(folder)
    },
  }
}

async function write(target: Target, asTarget: boolean): Promise<void> {
  const { code, text } = await attach(target, ['jcmd', 'Compiler.perfmap'], { timeoutMs, asTarget })
  if (code !== 0) throw new ProfilerError('SP_TOOL_FAILED', text.split('\n')[0]!.slice(0, 200))
}
