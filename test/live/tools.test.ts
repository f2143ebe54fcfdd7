// Profilers that are missing or misbehave: what they said is kept, the next one
// is tried where there is one, and none of them outlives the command.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import {
  compile,
  describeWith,
  findOnPath,
  missing,
  start,
  startPython,
  untilBusy,
} from '../apps/apps.ts'
import { linesOf, publish, type Result, readPublished, sp } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

/** A PATH whose first folder holds a tool of this name that is this shell script. */
function pathWith(tools: Readonly<Record<string, string>>, rest = process.env.PATH!): string {
  const folder = temporaryFolder()
  for (const [name, script] of Object.entries(tools)) {
    const file = path.join(folder, name)
    const version = `[ "$1" = --version ] && exec echo "${name} version 0.0"`
    fs.writeFileSync(file, `#!/bin/sh\n${version}\n${script}\n`, { mode: 0o755 })
  }
  return `${folder}:${rest}`
}

/** PATH without any folder that holds one of these. */
function pathWithout(...tools: string[]): string {
  const folder = temporaryFolder()
  // What else is in those folders is still needed: sh, setpriv, python3.
  for (const name of ['sh', 'setpriv', 'dirname', 'readlink', 'node', 'echo', 'sleep']) {
    const file = findOnPath(name)
    if (file !== undefined) fs.symlinkSync(file, path.join(folder, name))
  }
  const others = process.env.PATH!.split(':').filter(each => {
    return !tools.some(tool => fs.existsSync(path.join(each, tool)))
  })
  return [folder, ...others].join(':')
}

/** What runs and has this word among its arguments. */
function runningWith(word: string): string[] {
  return fs
    .readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .flatMap(name => {
      try {
        const words = fs.readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0')
        return words.includes(word) ? [words.join(' ')] : []
      } catch {
        return []
      }
    })
}

function expectFailure(result: Result, code: string, exit: number): void {
  expect(result.stderr).toContain(`(${code})`)
  expect(result.code).toBe(exit)
  expect(linesOf(result).at(-1)).toMatchObject({ error: { code } })
}

describeWith(['perf', 'cc', 'setpriv'], 'perf', () => {
  const record = async (tools: Readonly<Record<string, string>>, more: readonly string[] = []) => {
    const { pid } = start(compile('burn'), ['60'])
    const args = ['record', `${pid}`, '-d', '500ms', '--json', `--to=file:${temporaryFolder()}`]
    return sp([...args, ...more], { env: { PATH: pathWith(tools) } })
  }

  test('that is missing is named, with how to install it', async () => {
    const { pid } = start(compile('burn'), ['60'])
    const result = await sp(['record', `${pid}`, '--json'], { env: { PATH: pathWithout('perf') } })
    expectFailure(result, 'SP_TOOL_MISSING', 1)
    expect(result.stderr).toContain('perf is not installed here; install linux-perf')
  })

  test('that fails is shown with what it said', async () => {
    const result = await record({ perf: 'echo "the kernel says: no" >&2; exit 3' })
    expectFailure(result, 'SP_TOOL_FAILED', 1)
    expect(result.stderr).toContain('perf ended with exit code 3: the kernel says: no')
  })

  test('that fails with control characters does not reach the terminal with them', async () => {
    const result = await record({ perf: `printf '\\033[2J\\007gone' >&2; exit 3` })
    expect(result.stderr).toContain('\\u{1b}[2J\\u{7}gone')
    expect(result.stderr).not.toMatch(/[\x1b\x07]/)
  })

  test('that may not sample is told with what to grant', async () => {
    const words = 'Error: Access to performance monitoring and observability operations is limited.'
    const result = await record({ perf: `echo "${words}" >&2; exit 255` })
    expectFailure(result, 'SP_NOT_PERMITTED', 4)
    expect(result.stderr).toContain('PERFMON')
  })

  test.for([
    ['garbage', 'SP_PERF_DATA_MALFORMED', 'head -c 100000 /dev/urandom; exec sleep 60.25'],
    [
      'a header and then nothing',
      'SP_PERF_DATA_MALFORMED',
      `printf 'PERFILE2\\020\\0\\0\\0\\0\\0\\0\\0'; exit 0`,
    ],
    ['nothing', 'SP_NO_SAMPLES', 'exit 0'],
  ] as const)('that prints %s is refused, and ended', async ([, code, script]) => {
    expectFailure(await record({ perf: script }), code, 1)
    expect(runningWith('60.25')).toEqual([])
  })

  test('that does not say its version in time is used all the same', async () => {
    const { pid } = start(compile('burn'), ['60'])
    const real = findOnPath('perf')!
    const folder = temporaryFolder()
    const script = `#!/bin/sh\n[ "$1" = --version ] && sleep 61.25\nexec ${real} "$@"\n`
    fs.writeFileSync(path.join(folder, 'perf'), script, { mode: 0o755 })
    const { receipt } = await publish(['record', `${pid}`, '-d', '500ms'], {
      env: { PATH: `${folder}:${process.env.PATH}` },
    })
    expect(receipt.record.tools.perf).toBe('unknown')
    expect(runningWith('61.25')).toEqual([])
  })

  test('that ignores being asked to stop is killed, and what it gave is kept', async () => {
    const { pid } = start(compile('burn'), ['60'])
    const recording = path.join(temporaryFolder(), 'perf.data')
    // The same in pipe mode, so that its bytes are those of a capture.
    const record = 'perf record -q -e cpu-clock -F 999 -g --no-bpf-event -B -N'
    const sampled = `${record} -p ${pid} -o - -- sleep 0.5 >${recording}`
    execFileSync('sh', ['-c', sampled])
    const script = `trap '' INT TERM\ncat ${recording}\nwhile :; do sleep 62.25; done`
    const result = await sp(
      ['record', `${pid}`, '-d', '500ms', '--json', `--to=file:${temporaryFolder()}`],
      { env: { PATH: pathWith({ perf: script }) } },
    )
    const { folded, receipt } = readPublished(result)
    expect(folded.share('burn_inner')).toBeGreaterThan(0.9)
    expect(receipt.record.remarks).toContainEqual(expect.stringContaining('did not stop'))
    expect(runningWith('62.25')).toEqual([])
  })
})

describeWith(['perf', 'py-spy', 'python3', 'setpriv'], 'py-spy', () => {
  const failing = 'echo "Error: something broke" >&2; exit 1'

  test('that fails is replaced by perf, and both are said', async () => {
    const { pid } = startPython('burn.py', 60)
    await untilBusy(pid)
    const { receipt, lines } = await publish(['record', `${pid}`, '-d', '1'], {
      env: { PATH: pathWith({ 'py-spy': failing }) },
    })
    const words =
      'py-spy failed, so perf was used: py-spy ended with exit code 1: Error: something broke'
    expect(receipt.record.remarks).toContain(words)
    expect(lines).toContainEqual({ state: 'fallback', message: words })
    expect(receipt.record.tools).toHaveProperty('perf')
    expect(receipt.record.tools).not.toHaveProperty('py-spy')
  })

  test('that fails is not replaced where it was asked for', async () => {
    const { pid } = startPython('burn.py', 60)
    await untilBusy(pid)
    const args = ['record', `${pid}`, '--tool', 'py-spy', '--json']
    const result = await sp(args, { env: { PATH: pathWith({ 'py-spy': failing }) } })
    expectFailure(result, 'SP_TOOL_FAILED', 1)
  })

  test('that is missing is replaced by perf, with what perf lacks', async () => {
    const { pid } = startPython('burn.py', 60)
    await untilBusy(pid)
    const { receipt } = await publish(['record', `${pid}`, '-d', '500ms'], {
      env: { PATH: pathWithout('py-spy'), SP_TOOLS_PATH: '' },
    })
    const remarks = receipt.record.remarks.join('\n')
    expect(remarks).toContain('py-spy is not used: py-spy is not installed here')
    expect(remarks).toContain('perf sees the interpreter, not the Python functions')
  })

  test('cannot sample a native program', async () => {
    const { pid } = start('sleep', ['60'])
    const result = await sp(['record', `${pid}`, '--tool', 'py-spy', '--json'])
    expectFailure(result, 'SP_TOOL_UNSUITABLE', 2)
  })
})

describeWith(['perf', 'cc'], 'setpriv', () => {
  test.skipIf(missing('setpriv').length > 0)('that is missing is named', async () => {
    const { pid } = start(compile('burn'), ['60'])
    const folder = temporaryFolder()
    for (const name of ['sh', 'perf', 'dirname', 'readlink']) {
      fs.symlinkSync(findOnPath(name)!, path.join(folder, name))
    }
    const result = await sp(['record', `${pid}`, '--json'], { env: { PATH: folder } })
    expectFailure(result, 'SP_TOOL_MISSING', 1)
    expect(result.stderr).toContain('install util-linux')
  })
})
