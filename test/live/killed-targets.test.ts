// A target that is killed while it is captured takes its root with it, and all the
// files that are in there. Its names are the same as those of one that lives on,
// those that come from debug files too.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Module } from '../../agent/profile/profile.ts'
import { moduleFiles } from '../../agent/symbolize/module-files.ts'
import { nameSources } from '../../agent/symbolize/sources.ts'
import { readMaps, readStat } from '../../agent/target/procfs.ts'
import { compile, describeWith, start, untilBusy } from '../apps/apps.ts'
import { profilersOf, readPublished, startCommand } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

/** A stripped program whose names are in a debug file beside it. */
function compileStripped(): string {
  const program = compile('burn')
  execFileSync('objcopy', ['--only-keep-debug', program, `${program}.debug`])
  execFileSync('objcopy', ['--strip-all', `--add-gnu-debuglink=${program}.debug`, program])
  return program
}

/** Where the linker put a function, from what nm says of the debug file. */
function offsetOf(name: string, program: string): number {
  const lines = execFileSync('nm', [`${program}.debug`])
    .toString()
    .split('\n')
  return Number.parseInt(lines.find(line => line.endsWith(` ${name}`))!, 16)
}

function moduleOf(pid: number, program: string): Module {
  const {
    executable: _,
    range: _range,
    ...place
  } = readMaps(pid).find(({ path, executable }) => path === program && executable)!
  return { kind: 'file', pid, ...place }
}

/** Files that this process has open, and whose path begins so. */
function openOf(program: string): string[] {
  return fs
    .readdirSync('/proc/self/fd')
    .flatMap(fd => {
      try {
        return [fs.readlinkSync(`/proc/self/fd/${fd}`)]
      } catch {
        // The one that the list was read with.
        return []
      }
    })
    .filter(file => file.startsWith(program))
    .sort()
}

async function end(target: { pid: number; kill(signal: 'SIGKILL'): boolean }): Promise<void> {
  target.kill('SIGKILL')
  for (let tries = 0; tries < 200 && isThere(target.pid); tries++) await sleep(10)
}

function isThere(pid: number): boolean {
  try {
    return readStat(pid).pid === pid
  } catch {
    return false
  }
}

describeWith(['cc', 'objcopy', 'nm'], 'a debug file', () => {
  test('is held with the file that it belongs to, and let go with it', async () => {
    const program = compileStripped()
    const target = start(program, ['60'])
    await untilBusy(target.pid)
    const files = moduleFiles(target.pid)
    try {
      const names = nameSources(files)
      const module = moduleOf(target.pid, program)
      names.hold(module)
      await end(target)
      expect(isThere(target.pid)).toBe(false)
      expect(names.of(module).find(offsetOf('burn_inner', program))).toMatchObject([
        { name: 'burn_inner' },
      ])
      expect(openOf(program)).toEqual([program, `${program}.debug`])
    } finally {
      files.close()
    }
    expect(openOf(program)).toEqual([])
  })

  test('of a file that a child shares is held once', async () => {
    const program = compileStripped()
    const [one, other] = [start(program, ['60']), start(program, ['60'])]
    await Promise.all([untilBusy(one.pid), untilBusy(other.pid)])
    const files = moduleFiles(one.pid)
    try {
      files.hold(moduleOf(one.pid, program))
      files.hold(moduleOf(other.pid, program))
      expect(openOf(program)).toEqual([program, `${program}.debug`])
    } finally {
      files.close()
    }
  })
})

/** Where Debian has the debug file of the libc that programs here run with. */
function libcDebugFile(): string | undefined {
  const libc = readMaps(process.pid).find(({ path }) => /\/libc\.so\.6$/.test(path))?.path
  if (libc === undefined) return undefined
  const notes = execFileSync('readelf', ['-n', libc]).toString()
  const id = /Build ID: ([0-9a-f]+)/.exec(notes)?.[1] ?? ''
  return `/usr/lib/debug/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`
}

describeWith(['perf', 'c++', 'setpriv', 'readelf'], "libc's local functions", () => {
  // Of the package libc6-dbg.
  const debugFile = libcDebugFile()
  const isThere = debugFile !== undefined && fs.existsSync(debugFile)

  test.runIf(isThere)(
    'keep their names when the target is killed before they are asked',
    async () => {
      const target = start(compile('allocates.cpp'), ['60'])
      await untilBusy(target.pid)
      const output = temporaryFolder()
      const { child, result } = startCommand([
        'record',
        `${target.pid}`,
        '-F',
        '999',
        '--call-graph=fp',
        '--json',
        `--to=file:${output}`,
      ])
      while (profilersOf(target.pid).length === 0) await sleep(10)
      // Long enough for the mapped files to be held, too short for the first samples to come.
      await sleep(250)
      child.kill('SIGSTOP')
      await sleep(700)
      await end(target)
      child.kill('SIGCONT')
      const { folded } = readPublished(await result)
      expect(folded.share('_int_malloc')).toBeGreaterThan(0.1)
      expect(folded.share(/^libc\.so\.6\+0x/)).toBeLessThan(0.02)
    },
  )
})
