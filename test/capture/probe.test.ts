// The kernel is asked by whoever is there to ask.

import fs from 'node:fs'
import path from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { askKernel } from '../../agent/capture/probe.ts'
import { unasked } from '../../agent/runtimes/answers.ts'
import { describeWith, findOnPath, start } from '../apps/apps.ts'
import { temporaryFolder } from '../temporary.ts'

const wholePath = process.env['PATH']
afterEach(() => {
  process.env['PATH'] = wholePath
})

/** Leaves only these programs on PATH; a name and a script makes one. */
function only(programs: readonly string[], scripts: Readonly<Record<string, string>> = {}): void {
  const folder = temporaryFolder()
  for (const name of programs) fs.symlinkSync(findOnPath(name)!, path.join(folder, name))
  for (const [name, script] of Object.entries(scripts)) {
    fs.writeFileSync(path.join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  }
  process.env['PATH'] = folder
}

describeWith(['perf', 'perl', 'setpriv', 'sleep', 'root'], 'the kernel', () => {
  test('is asked by perl, for many processes at once', async () => {
    const pids = [start('sleep', ['60']).pid, start('sleep', ['60']).pid]
    const answersOf = await askKernel(pids)
    for (const pid of pids) {
      expect(answersOf(pid)).toMatchObject({
        perfEvents: 'allowed',
        perfUser: 'allowed',
        perfKernel: 'allowed',
        attach: 'allowed',
        readMemory: 'allowed',
        ptrace: 'allowed',
      })
    }
    // Who was not asked about, and who is gone.
    expect(answersOf(1)).toMatchObject({ perfEvents: 'allowed', perfUser: 'unknown' })
    expect((await askKernel([4_999_999]))(4_999_999)).toMatchObject({ perfUser: 'failed' })
  })

  test('is asked by perf where there is no perl', async () => {
    const { pid } = start('sleep', ['60'])
    only(['perf', 'setpriv'])
    expect((await askKernel([pid]))(pid)).toEqual({
      ...unasked,
      perfUser: 'allowed',
      perfKernel: 'allowed',
    })
  })

  test.for([
    ['neither', ['setpriv'], {}],
    ['no setpriv', ['perl', 'perf'], {}],
    ['a perl that hangs', ['setpriv', 'sleep'], { perl: 'exec sleep 60.75' }],
    ['a perl that prints something else', ['setpriv'], { perl: 'echo "hello 12x\nperf"' }],
    ['a perl that floods', ['setpriv', 'yes'], { perl: 'exec yes' }],
  ] as const)('is not asked where there is %s', async ([, programs, scripts]) => {
    only(programs, scripts)
    expect((await askKernel([1]))(1)).toEqual(unasked)
  })
})

test('no process is no question', async () => {
  expect((await askKernel([]))(1)).toMatchObject({ perfUser: 'unknown' })
})
