// The library of async-profiler in the target, and how it is spoken to: over the
// attach protocol, `load LIBRARY true OPTIONS`, for every command anew.
// https://github.com/async-profiler/async-profiler/blob/master/docs/ProfilerOptions.md
//
// Of the program asprof only its handing over of perf events is used
// (`perf-server.ts`): as a client of the attach protocol it follows links in the
// target's file system, and needs SETUID for every target of another user.
//
// What a command needs there (the library, the file that is written) lies in a
// folder of ours that goes as soon as it is answered. The library may go once it
// is loaded, for glibc's loader knows it by its path from then on, even in a later
// capture; musl's looks at the file. So there is nothing to leave behind when we
// are killed, but for some milliseconds.
//
// The trap: the JVM writes, as its own user; without `file=` and `log=` it writes
// into the target's own output, and a log that it was given it keeps open until it
// gets another.

import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { ProfilerError, systemCode } from '../errors.ts'
import type { AsprofCapture } from '../runtimes/runtime.ts'
import { checkSame, type Target } from '../target/find.ts'
import type { PlacedFolder } from '../target/place-beneath.ts'
import { readMaps } from '../target/procfs.ts'
import { attach } from './hotspot-attach.ts'
import { placeIn, readPlaced } from './placed-files.ts'

// A first attach takes some 50 ms, on a machine at its limit up to 4 s.
const startTimeoutMs = 10_000
// A dump takes some milliseconds, of a service with a hundred thousand stacks half a second.
const dumpTimeoutMs = 5000
// A line is a stack of some hundred bytes: this is half a million of them.
const maxDumpBytes = 256 << 20
const maxLogBytes = 4096

export interface Profiler {
  /**
   * Gives the library a command and answers what it wrote.
   *
   * @param before told where the target has it, right before it gets the command
   * @throws {ProfilerError} where it was not run, or failed
   */
  command(
    options: readonly string[],
    output: 'dump' | 'log' | 'none',
    before?: (library: string) => void,
  ): Promise<Buffer>
  /** Of the libraries of others that are loaded, those that sample now. */
  othersAtWork(): Promise<string[]>
  /** Takes away what may lie in the target's file system still. */
  close(): void
}

export function openProfiler(
  description: AsprofCapture,
  target: Target,
  discard: AbortSignal,
): Profiler {
  const { pid, folder, libraryPath, asTarget, reusesLibrary } = description
  const bytes = fs.readFileSync(libraryPath)
  // Its content is in its name, so that an older one is not taken for it.
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 16)
  const name = `libasyncProfiler-${digest}.so`
  const loaded = mappedLibraries(pid)
  let path = reusesLibrary
    ? loaded.find(each => isPlaced(each) && each.endsWith(`/${name}`))
    : undefined
  let placed: PlacedFolder | undefined

  const load = async (
    library: string,
    options: readonly string[],
    output: 'dump' | 'log' | 'none',
  ) => {
    checkSame(target)
    const scratch = output === 'none' ? undefined : placeIn(pid, folder)
    // The JVM writes as its own user, who cannot list the folder but is told the name.
    const fd = scratch?.create('out', 0o666)
    try {
      const { text } = await attach(
        target,
        ['load', library, 'true', [...options, ...filesOf(scratch?.path, output)].join(',')],
        // What takes long at its start may be given up; what ends it may not.
        output === 'log'
          ? { timeoutMs: startTimeoutMs, asTarget, signal: discard }
          : { timeoutMs: dumpTimeoutMs, asTarget },
      )
      const written = fd === undefined ? Buffer.alloc(0) : readPlaced(fd, maxDumpBytes)
      // `return code: 0`; before JDK 9 the number alone; a sentence where the loader failed.
      const code = /(?:^|\n)(?:return code: )?(\d+)\s*$/.exec(text)?.[1]
      if (code !== '0') throw refused(pid, text, output === 'log' ? written : Buffer.alloc(0))
      return written
    } finally {
      if (fd !== undefined) fs.closeSync(fd)
      scratch?.remove()
    }
  }
  const place = () => {
    placed = placeIn(pid, folder)
    const fd = placed.create(name, 0o755)
    try {
      fs.writeFileSync(fd, bytes)
    } catch (cause) {
      placed.remove()
      const why = systemCode(cause) ?? 'an error'
      throw new ProfilerError('SP_TOOL_FAILED', `the library cannot be put into ${folder}: ${why}`)
    } finally {
      fs.closeSync(fd)
    }
    return `${placed.path}/${name}`
  }
  return {
    async command(options, output, before = () => {}) {
      const isReused = path !== undefined && placed === undefined
      path ??= place()
      try {
        before(path)
        return await load(path, options, output)
      } catch (error) {
        if (!isReused || !isUnknownToLoader(error)) throw error
        // It was another's, or is known by another path in there.
        path = place()
        before(path)
        return await load(path, options, output)
      } finally {
        // From here on the loader knows it by its path, and needs no file.
        if (reusesLibrary) placed?.remove()
      }
    },
    async othersAtWork() {
      const working: string[] = []
      for (const library of loaded) {
        if (library === path) continue
        const asked = load(library, ['status', 'loglevel=none'], 'dump')
        const said = await asked.catch(() => Buffer.alloc(0))
        if (/is running/.test(said.toString('latin1', 0, maxLogBytes))) working.push(library)
      }
      return working
    },
    close: () => placed?.remove(),
  }
}

function filesOf(folder: string | undefined, output: 'dump' | 'log' | 'none'): string[] {
  // Without a file it would write into the target's own output, and with a log it would keep that open.
  if (output === 'none') return ['file=/dev/null', 'loglevel=none']
  return output === 'log' ? [`log=${folder}/out`] : [`file=${folder}/out`, 'loglevel=none']
}

// As `newPlacedName` has it.
const placedPath = /\/sp-flamegraph-\d+-[0-9a-f]{16}\/libasyncProfiler-[0-9a-f]{16}\.so$/

function isPlaced(library: string): boolean {
  return placedPath.test(library)
}

/**
 * What is loaded of async-profiler, ours of earlier captures too. Of another's only what lies where it
 * was: to ask it is to load it again, and at its path may be a newer one.
 */
function mappedLibraries(pid: number): string[] {
  const deleted = ' (deleted)'
  const paths = readMaps(pid).map(({ path }) => path)
  const living = paths.filter(path => !path.endsWith(deleted))
  const ours = paths.map(path => path.replace(deleted, '')).filter(isPlaced)
  return [...new Set([...living.filter(path => /asyncProfiler[^/]*\.so$/i.test(path)), ...ours])]
}

/** What it says is the target's own text: cut. */
function refused(pid: number, text: string, log: Buffer): ProfilerError {
  const said = (log.toString('utf8', 0, maxLogBytes).trim() || text.trim()).split('\n').at(-1)!
  const words = said.slice(0, 200)
  if (/already started/i.test(said)) return busy(pid)
  const isForbidden = /no access to perf events|perf events unavailable|permission denied/i.test(
    said,
  )
  return new ProfilerError(
    isForbidden ? 'SP_NOT_PERMITTED' : 'SP_TOOL_FAILED',
    `async-profiler in process ${pid} refused: ${words || 'it said nothing'}`,
  )
}

function isUnknownToLoader(error: unknown): boolean {
  return error instanceof ProfilerError && /cannot open shared object/.test(error.message)
}

export function busy(pid: number): ProfilerError {
  return new ProfilerError(
    'SP_TOOL_BUSY',
    `an async-profiler is at work in process ${pid} already; it is left alone`,
    { facts: { everyWay: true } },
  )
}
