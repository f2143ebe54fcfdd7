// What a hostile target may put where its files are looked for: links out of its
// root, FIFOs that never end, files of others. None is followed or waited for, and
// what cannot be named says why.

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Module } from '../../agent/profile/profile.ts'
import { moduleFiles } from '../../agent/symbolize/module-files.ts'
import { nameSources } from '../../agent/symbolize/sources.ts'
import { compile, describeWith, start, untilBusy } from '../apps/apps.ts'
import { type Published, publish } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'
import { asSidecar, compileLibrary } from './sidecar.ts'

function record(pid: number): Promise<Published> {
  return publish(['record', `${pid}`, '-d', '500ms', '-F', '499'], { under: asSidecar })
}

describeWith(['perf', 'cc', 'setpriv', 'mkfifo', 'root'], 'a perf map', () => {
  /** Starts the JIT, and gives the path of its map and the line that it would write there. */
  async function startJit(): Promise<{ pid: number; map: string; line: string }> {
    const child = start(compile('jit'), ['60'])
    const [range] = await once(child.stdout!, 'data')
    const map = `/tmp/perf-${child.pid}.map`
    onTestFinished(() => fs.rmSync(map, { recursive: true, force: true }))
    return { pid: child.pid, map, line: `${String(range).trim()} jit_hot\n` }
  }

  /** What the code at this line of a map is called, asked without a capture. */
  function nameOf(pid: number, line: string): string {
    const start = Number.parseInt(line, 16)
    const files = moduleFiles(pid)
    try {
      const names = nameSources(files)
      const place = { path: '[anon]', start, end: start + 4096, fileOffset: 0 }
      const module: Module = { kind: 'anonymous', pid, ...place }
      names.hold(module)
      const found = names.of(module).find(start + 8)
      return typeof found === 'string' ? found : found[0]!.name
    } finally {
      files.close()
    }
  }

  function plantLink(map: string, line: string): void {
    const real = path.join(temporaryFolder(), 'map')
    fs.writeFileSync(real, line)
    fs.symlinkSync(real, map)
  }

  test('of the target itself is read', async () => {
    const { pid, map, line } = await startJit()
    fs.writeFileSync(map, line)
    expect(nameOf(pid, line)).toBe('jit_hot')
    const { folded } = await record(pid)
    expect(folded.share('jit_hot_[j]')).toBeGreaterThan(0.9)
  })

  test('that is a symbolic link leaves the code unnamed, and the reason is counted', async () => {
    const { pid, map, line } = await startJit()
    plantLink(map, line)
    const { folded, receipt } = await record(pid)
    expect(folded.has(/jit_hot/)).toBe(false)
    expect(folded.share(/^\[anon\]\+0x[0-9a-f]+$/)).toBeGreaterThan(0.9)
    expect(receipt.quality.unknownByReason[0]).toMatchObject({ reason: 'JIT without map' })
  })

  test.for<[string, string, (map: string, line: string) => void]>([
    ['that is a symbolic link', 'JIT without map', plantLink],
    ['that is a FIFO', 'JIT without map', map => execFileSync('mkfifo', [map])],
    ['that is a folder', 'JIT without map', map => fs.mkdirSync(map)],
    [
      'of another user',
      'JIT without map',
      (map, line) => {
        fs.writeFileSync(map, line)
        fs.chownSync(map, 65534, 65534)
      },
    ],
    [
      'that is no text',
      'not in the symbol table',
      map => fs.writeFileSync(map, Buffer.alloc(1 << 20, 0xff)),
    ],
    ['that is not there', 'JIT without map', () => {}],
  ])('%s gives no name: %s', async ([, reason, plant]) => {
    const { pid, map, line } = await startJit()
    plant(map, line)
    expect(nameOf(pid, line)).toBe(reason)
  })
})

describeWith(['perf', 'cc', 'setpriv', 'mkfifo', 'root'], 'a library', () => {
  const plants: readonly ((library: string) => void)[] = [
    library => fs.symlinkSync(compileLibrary('planted_inner'), library),
    library => execFileSync('mkfifo', [library]),
    library => fs.symlinkSync('/dev/zero', library),
    library => fs.mkdirSync(library),
    library => {
      fs.writeFileSync(library, '')
      fs.truncateSync(library, 2 ** 40)
    },
  ]

  test('whose path is a link, a FIFO, a folder or a file of 1 TB now has no names', async () => {
    const libraries = plants.map(() => compileLibrary('real_inner'))
    const { pid } = start(compile('host'), ['60', ...libraries])
    await untilBusy(pid)
    for (const [index, plant] of plants.entries()) {
      fs.unlinkSync(libraries[index]!)
      plant(libraries[index]!)
    }
    const { folded } = await record(pid)
    expect(folded.has(/_inner/)).toBe(false)
    expect(folded.share(/^library\.so\+0x[0-9a-f]+$/)).toBeGreaterThan(0.9)
  })

  test('in a folder that is a link now has no names', async () => {
    const library = compileLibrary('real_inner')
    const { pid } = start(compile('host'), ['60', library])
    await untilBusy(pid)
    const folder = path.dirname(library)
    fs.renameSync(folder, `${folder}.moved`)
    onTestFinished(() => fs.rmSync(`${folder}.moved`, { recursive: true }))
    fs.symlinkSync(path.dirname(compileLibrary('planted_inner')), folder)
    const { folded } = await record(pid)
    expect(folded.has(/planted/)).toBe(false)
  })
})
