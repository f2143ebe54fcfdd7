// A recording of Java's flight recorder, and how it is spoken to: the diagnostic
// commands JFR.start, JFR.dump, JFR.stop over the attach protocol.
// https://docs.oracle.com/en/java/javase/21/docs/specs/man/jcmd.html
//
// What a command needs there (our settings, the file that is written) lies in a
// folder of ours that goes as soon as it is answered. The JVM itself keeps what it
// records in a folder of its own, /tmp/<date>_<pid>, which it makes for the first
// recording and takes away at its end: where it is empty after ours, we do.
//
// If we die, the recording ends after the time that it was given at its start,
// writes itself to /dev/null, and is gone: without a file it would stay, stopped.
//
// The trap: a dump has whole chunks, and those of a recording of somebody else
// that runs beside it too. Each has the time at which it began, which no other
// has: so one that was seen before is known.

import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { ProfilerError, systemCode } from '../errors.ts'
import type { JfrCapture } from '../runtimes/runtime.ts'
import { checkSame, isRunning, type Target } from '../target/find.ts'
import { noteLeftover } from '../target/leftovers.ts'
import { pinBeneath } from '../target/open-beneath.ts'
import { pathOfDescriptor, readStatus, rootOf } from '../target/procfs.ts'
import { monotonicMs } from './capture.ts'
import { attach } from './hotspot-attach.ts'
import { placeIn, readPlaced } from './placed-files.ts'

export interface JfrRecording {
  /** Recordings of others that run beside it; they are left alone. */
  readonly others: number
  /** The chunks that were written since the last time. */
  dump(): Promise<Buffer[]>
  /** Ends it, with the last chunks unless they are not wanted. */
  stop(isWanted: boolean): Promise<Buffer[]>
  /** Takes away the JVM's folder, if nothing is in it; a note where that cannot be done. */
  close(): string | undefined
}

// Java 11 takes 3 s to load its recorder, on a machine at its limit more.
const startTimeoutMs = 15_000
const dumpTimeoutMs = 10_000
// Of samples alone a chunk has some 100 KB; of others' events 12 MB.
const maxDumpBytes = 256 << 20
// So that we are surely the ones who end it, unless we are gone.
const deadManGraceS = 5
// What was dumped before is let go of: a capture of an hour would fill the target's disk.
const keptS = 30

/** @throws {ProfilerError} `SP_TOOL_FAILED`, `SP_NOT_PERMITTED`, `SP_TARGET_GONE` */
export async function startRecording(
  description: JfrCapture,
  target: Target,
  discard: AbortSignal,
): Promise<JfrRecording> {
  const { pid, folder, asTarget, durationMs, periodMs } = description
  const name = `sp-flamegraph-${randomBytes(8).toString('hex')}`
  const ask = async (command: string, timeoutMs = dumpTimeoutMs, signal?: AbortSignal) => {
    checkSame(target)
    const options = { timeoutMs, asTarget, ...(signal && { signal }) }
    const { code, text } = await attach(target, ['jcmd', command], options)
    if (code !== 0) throw refused(pid, text)
    return text
  }
  const stopWithout = () => ask(`JFR.stop name=${name}`)
  const repositoryNow = () =>
    ask('JFR.configure')
      .then(said => pinRepository(target, said))
      .catch(() => undefined)

  const known = await ask('JFR.check', startTimeoutMs, discard)
  const forget = noteLeftover({
    kind: 'profiler',
    target,
    stop: ['jcmd', `JFR.stop name=${name}`],
    asTarget,
    untilMs: monotonicMs() + durationMs + deadManGraceS * 1000,
  })
  const placed = placeIn(pid, folder)
  try {
    const fd = placed.create('settings.jfc', 0o644)
    fs.writeFileSync(fd, settingsFor(periodMs))
    fs.closeSync(fd)
    const options = [
      `name=${name}`,
      `settings=${placed.path}/settings.jfc`,
      `duration=${Math.ceil(durationMs / 1000) + deadManGraceS}s`,
      `maxage=${keptS}s`,
      'filename=/dev/null',
      'dumponexit=false',
    ]
    const said = await ask(`JFR.start ${options.join(' ')}`, startTimeoutMs, discard)
    if (!/^Started recording/m.test(said)) throw refused(pid, said)
  } catch (error) {
    // It may have started all the same.
    if (isRunning(target)) {
      await stopWithout().catch(() => {})
      const repository = await repositoryNow()
      repository?.remove()
    }
    forget()
    throw error
  } finally {
    placed.remove()
  }
  const repository = await repositoryNow()
  const seen = new Set<string>()
  const write = async (command: string) => {
    const scratch = placeIn(pid, folder)
    // The JVM writes as its own user, who cannot list the folder but is told the name.
    const fd = scratch.create('out.jfr', 0o666)
    try {
      await ask(`${command} name=${name} filename=${scratch.path}/out.jfr`)
      return newChunks(readPlaced(fd, maxDumpBytes), seen)
    } finally {
      fs.closeSync(fd)
      scratch.remove()
    }
  }
  return {
    others: [...known.matchAll(/^Recording \d+:.*\(running\)/gm)].length,
    dump: () => write('JFR.dump'),
    async stop(isWanted) {
      if (!isWanted) {
        await stopWithout()
        return []
      }
      try {
        return await write('JFR.stop')
      } catch (error) {
        await stopWithout().catch(() => {})
        throw error
      }
    },
    close() {
      forget()
      return repository?.remove()
    },
  }
}

/** Nothing but samples of running threads. */
function settingsFor(periodMs: number): string {
  const event = (name: string) =>
    `<event name="${name}"><setting name="enabled">true</setting>` +
    `<setting name="period">${periodMs} ms</setting></event>`
  return (
    '<?xml version="1.0" encoding="UTF-8"?>\n<configuration version="2.0">' +
    `${event('jdk.ExecutionSample')}${event('jdk.NativeMethodSample')}</configuration>\n`
  )
}

/** What it says is the target's own text: cut. */
function refused(pid: number, text: string): ProfilerError {
  const [said = ''] = text.trim().split('\n')
  return new ProfilerError(
    'SP_TOOL_FAILED',
    `the flight recorder of process ${pid} refused: ${said.slice(0, 200) || 'it said nothing'}`,
  )
}

const headerBytes = 68

/** The chunks of a dump that have not been seen: see `profile/jfr-chunk.ts` for the header. */
function newChunks(bytes: Buffer, seen: Set<string>): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0; at + headerBytes <= bytes.length; ) {
    const size = Number(bytes.readBigInt64BE(at + 8))
    if (!(size > headerBytes && size <= bytes.length - at)) {
      throw new ProfilerError('SP_TOOL_FAILED', 'the flight recorder wrote half a chunk')
    }
    const began = bytes.toString('hex', at + 32, at + 40)
    if (!seen.has(began)) chunks.push(bytes.subarray(at, at + size))
    seen.add(began)
    at += size
  }
  return chunks
}

interface Repository {
  remove(): string | undefined
}

/** The JVM's folder of recordings, as it says itself: believed only if it is called as the JVM calls it. */
function pinRepository(target: Target, said: string): Repository | undefined {
  const { pid } = target
  const { uid, nspid } = readStatus(pid)
  const whole = /^Repository path: (\/.{1,4000})$/m.exec(said)?.[1]
  if (whole === undefined || !new RegExp(`/\\d{4}(_\\d\\d){5}_${nspid}(_\\d+)?$`).test(whole)) {
    return undefined
  }
  const parent = pinBeneath(rootOf(pid), path.dirname(whole))
  const here = `${pathOfDescriptor(parent)}/${path.basename(whole)}`
  return {
    remove() {
      try {
        const found = fs.lstatSync(here, { throwIfNoEntry: false })
        if (!found?.isDirectory() || found.uid !== uid) return undefined
        // Of one that was killed the last chunks lie there still.
        if (!isRunning(target)) removeChunks(here)
        fs.rmdirSync(here)
        return undefined
      } catch (error) {
        // Another recording is in it, or it went.
        if (['ENOTEMPTY', 'ENOENT'].includes(systemCode(error) ?? '')) return undefined
        return `The JVM keeps an empty folder for recordings until it ends: ${whole} (${systemCode(error)}).`
      } finally {
        fs.closeSync(parent)
      }
    },
  }
}

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = fs.constants

function removeChunks(folder: string): void {
  const fd = fs.openSync(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  try {
    for (const name of fs.readdirSync(pathOfDescriptor(fd))) {
      if (/^\d{4}(_\d\d){5}(_\d+)?\.jfr$/.test(name)) {
        fs.unlinkSync(`${pathOfDescriptor(fd)}/${name}`)
      }
    }
  } finally {
    fs.closeSync(fd)
  }
}
