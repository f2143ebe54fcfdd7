// Files that were replaced or deleted under a running program, as a package
// upgrade does: its names are those of what it runs, or there are none and the
// reason is counted.

import fs from 'node:fs'
import { expect, test } from 'vitest'
import { compile, describeWith, start, untilBusy } from '../apps/apps.ts'
import { type Published, publish } from '../command.ts'
import { asSidecar, compileLibrary } from './sidecar.ts'

const needed = ['perf', 'cc', 'setpriv', 'root', 'the right to unshare a mount namespace']

function record(pid: number, under: readonly string[] = []): Promise<Published> {
  return publish(['record', `${pid}`, '-d', '500ms', '-F', '999'], { under })
}

interface Reason {
  readonly reason: string
  readonly share: number
}

/** A new file at the path, as `rename` in an upgrade makes it. */
function replace(file: string, by: string): void {
  fs.copyFileSync(by, `${file}.new`)
  fs.renameSync(`${file}.new`, file)
}

/** Libraries of their own builds, in use by one program. */
async function startHost(
  ...libraries: readonly (readonly [name: string, flags?: readonly string[]])[]
): Promise<{ pid: number; paths: readonly string[] }> {
  const paths = libraries.map(([name, flags]) => compileLibrary(name, flags))
  const { pid } = start(compile('host'), ['60', ...paths])
  await untilBusy(pid)
  return { pid, paths }
}

describeWith(needed, 'an executable', () => {
  test('that was replaced keeps the names of what runs, also seen by a sidecar', async () => {
    const program = compile('burn')
    const { pid } = start(program, ['60'])
    await untilBusy(pid)
    replace(program, compile('shares'))
    for (const under of [[], asSidecar]) {
      const { folded } = await record(pid, under)
      expect(folded.share('burn_inner')).toBeGreaterThan(0.9)
      expect(folded.has(/^(?:parse|encode)$/)).toBe(false)
    }
  })

  test('that was deleted keeps its names, also seen by a sidecar', async () => {
    const program = compile('burn')
    const { pid } = start(program, ['60'])
    await untilBusy(pid)
    fs.unlinkSync(program)
    const { folded } = await record(pid, asSidecar)
    expect(folded.share('burn_inner')).toBeGreaterThan(0.9)
  })
})

describeWith(needed, 'a library that was replaced or deleted', () => {
  const withoutBuildId = ['-Wl,--build-id=none']

  test('keeps the names of what runs where map_files may be opened', async () => {
    const { pid, paths } = await startHost(['replaced_inner'], ['deleted_inner'])
    replace(paths[0]!, compileLibrary('new_inner'))
    fs.unlinkSync(paths[1]!)
    const { folded } = await record(pid)
    expect(folded.share('replaced_inner')).toBeGreaterThan(0.3)
    expect(folded.share('deleted_inner')).toBeGreaterThan(0.3)
    expect(folded.has('new_inner')).toBe(false)
  })

  test('has no names elsewhere, and each reason is counted', async () => {
    const { pid, paths } = await startHost(
      ['replaced_inner'],
      ['replaced_inner', withoutBuildId],
      ['deleted_inner'],
    )
    replace(paths[0]!, compileLibrary('new_inner'))
    replace(paths[1]!, compileLibrary('new_inner', withoutBuildId))
    fs.unlinkSync(paths[2]!)
    const { folded, receipt } = await record(pid, asSidecar)
    expect(folded.has(/_inner/)).toBe(false)
    const shares = new Map<string, number>(
      receipt.quality.unknownByReason.map(({ reason, share }: Reason) => [reason, share]),
    )
    for (const reason of ['build-id differs', 'another file at its path', 'file deleted']) {
      expect(shares.get(reason), reason).toBeGreaterThan(0.2)
    }
  })

  test('has its names again where the same build is back at its path', async () => {
    const { pid, paths } = await startHost(['same_inner'])
    replace(paths[0]!, paths[0]!)
    const { folded } = await record(pid, asSidecar)
    expect(folded.share('same_inner')).toBeGreaterThan(0.9)
  })
})
