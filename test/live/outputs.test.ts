// Where a capture is to go, and what happens when it cannot go there: told
// before the time is spent where that can be known, and never lost where not.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { compile, describeWith, start, startPython, untilBusy } from '../apps/apps.ts'
import { linesOf, type Result, sp } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

const stacks = 'main;work 7\n'

function expectFailure(result: Result, code: string, exit: number): void {
  expect(result.stderr).toContain(`(${code})`)
  expect(result.code).toBe(exit)
}

describeWith(['perf', 'cc', 'setpriv'], 'before the capture begins', () => {
  let pid: number
  beforeAll(() => {
    pid = process.pid
  })

  test('an output that exists is told, and not touched', async () => {
    const output = path.join(temporaryFolder(), 'flame.svg')
    fs.writeFileSync(output, 'mine')
    const result = await sp(['record', `${pid}`, '-o', output])
    expectFailure(result, 'SP_OUTPUT_EXISTS', 2)
    expect(result.stderr).not.toContain('Sampling')
    expect(fs.readFileSync(output, 'utf8')).toBe('mine')
  })

  test('a folder that does not exist is told', async () => {
    const output = path.join(temporaryFolder(), 'missing', 'flame.svg')
    const result = await sp(['record', `${pid}`, '-o', output])
    expectFailure(result, 'SP_OUTPUT_FAILED', 6)
    expect(result.stderr).not.toContain('Sampling')
  })

  test.for([
    ['a device', (output: string) => execFileSync('mkfifo', [output])],
    ['a link', (output: string) => fs.symlinkSync('elsewhere', output)],
    ['a folder', (output: string) => fs.mkdirSync(output)],
  ] as const)('%s is not replaced, not even by --force', async ([, make]) => {
    const output = path.join(temporaryFolder(), 'flame.svg')
    make(output)
    const before = fs.lstatSync(output)
    const result = await sp(['record', `${pid}`, '--force', '-o', output])
    expectFailure(result, 'SP_USAGE', 2)
    expect(result.stderr).not.toContain('Sampling')
    expect(fs.lstatSync(output)).toEqual(before)
  })

  test('standard output is for one of two', async () => {
    const result = await sp(['record', `${pid}`, '--json', '-o', '-'])
    expectFailure(result, 'SP_USAGE', 2)
    expect(linesOf(result)).toHaveLength(1)
  })

  test('an ending that says no format is told', async () => {
    const result = await sp(['record', `${pid}`, '-o', 'flame.png'])
    expectFailure(result, 'SP_USAGE', 2)
  })

  test('a destination that is a file is told', async () => {
    const file = path.join(temporaryFolder(), 'file')
    fs.writeFileSync(file, '')
    const result = await sp(['record', `${pid}`, `--to=file:${file}/below`])
    expectFailure(result, 'SP_OUTPUT_FAILED', 6)
    expect(result.stderr).not.toContain('Sampling')
  })
})

describeWith(['perf', 'cc', 'setpriv'], 'a capture', () => {
  test('replaces an output where that was allowed, whole or not at all', async () => {
    const { pid } = start(compile('burn'), ['60'])
    await untilBusy(pid)
    const folder = temporaryFolder()
    const output = path.join(folder, 'flame.svg')
    fs.writeFileSync(output, 'mine')
    const result = await sp(['record', `${pid}`, '-d', '500ms', '--force', '-o', output])
    expect(result.code).toBe(0)
    expect(fs.readFileSync(output, 'utf8')).toMatch(/^<\?xml|^<svg/)
    expect(fs.readdirSync(folder)).toEqual(['flame.svg'])
  })

  test('goes to standard output alone where that was asked', async () => {
    const { pid } = start(compile('burn'), ['60'])
    await untilBusy(pid)
    const result = await sp(['record', `${pid}`, '-d', '500ms', '-o', '-', '-f', 'folded'])
    expect(result.code).toBe(0)
    expect(result.stdout.toString()).toMatch(/^(?:[^\n]+ \d+\n)+$/)
  })
})

describeWith(['py-spy', 'python3', 'setpriv', 'root'], 'a disk under what a tool writes', () => {
  test.for([
    ['full', '64k', 'head -c 1m /dev/zero >$disk/full 2>&-;'],
    ['filled while it samples', '2m', '(sleep 4; head -c 9m /dev/zero 2>&- >$disk/full) &'],
  ] as const)('that is %s is told by its code, and nothing is left', async ([, size, fill]) => {
    const [disk, folder] = [temporaryFolder(), temporaryFolder()]
    const { pid } = startPython('burn.py', 60)
    await untilBusy(pid)
    const script = `disk=${disk}; mount -t tmpfs -o size=${size} none $disk; ${fill} "$@"; code=$?; wait; ls -A $disk >&2; exit $code`
    const result = await sp(['record', `${pid}`, '-d', '6', '-o', path.join(folder, 'a.svg')], {
      under: ['unshare', '-m', 'sh', '-c', script, 'sh'],
      env: { TMPDIR: disk },
    })
    expectFailure(result, 'SP_OUTPUT_FAILED', 6)
    expect(result.stderr).toContain(`the disk of ${disk} is full`)
    expect(result.stderr.trim().split('\n').at(-1)).toBe('full')
    expect(fs.readdirSync(folder)).toEqual([])
  })
})

const rights = ['root', 'the right to unshare a mount namespace']

describeWith(rights, 'a disk that is full', () => {
  /** Runs the rest with a file system of 32 KB at this folder. */
  const withSmallDisk = (folder: string) => [
    ...['unshare', '-m', 'sh', '-c'],
    `mount -t tmpfs -o size=32k none ${folder} && head -c 28k /dev/zero >${folder}/full; exec "$@"`,
    'sh',
  ]

  test('and has no room for temporary files either is told before a capture begins', async () => {
    const folder = temporaryFolder()
    const result = await sp(['record', `${process.pid}`, '-o', path.join(folder, 'flame.svg')], {
      under: withSmallDisk(folder),
      env: { TMPDIR: folder },
    })
    expectFailure(result, 'SP_OUTPUT_FAILED', 6)
    expect(result.stderr).toContain('4 KB are left')
    expect(result.stderr).not.toContain('Sampling')
  })

  test.for([
    ['a folder', (folder: string) => [`--to=file:${folder}`]],
    ['one file', (folder: string) => ['-o', path.join(folder, 'flame.svg')]],
  ] as const)('under %s loses nothing: it is kept for the owner alone', async ([, output]) => {
    const [folder, temporary] = [temporaryFolder(), temporaryFolder()]
    const result = await sp(['render', '-', '--json', ...output(folder)], {
      under: withSmallDisk(folder),
      env: { TMPDIR: temporary },
      input: stacks,
    })
    expectFailure(result, 'SP_OUTPUT_FAILED', 6)
    expect(result.stderr).toContain('the disk is full')
    const { error } = linesOf(result).at(-1)!
    const kept = (error!.facts as { 'kept in': string })['kept in']
    expect(fs.statSync(kept).mode & 0o777).toBe(0o700)
    const files = fs.readdirSync(kept)
    expect(files).toContain('flame.svg')
    for (const file of files) {
      expect(fs.statSync(path.join(kept, file)).mode & 0o777).toBe(0o600)
      expect(fs.statSync(path.join(kept, file)).size).toBeGreaterThan(0)
    }
  })

  test('under the temporary folder too is told', async () => {
    const folder = temporaryFolder()
    const result = await sp(['render', '-', '--json', `--to=file:${folder}`], {
      under: withSmallDisk(folder),
      env: { TMPDIR: folder },
      input: stacks,
    })
    expectFailure(result, 'SP_OUTPUT_FAILED', 6)
    expect(result.stderr).toContain('the disk is full')
  })
})

describeWith([...rights, 'py-spy', 'python3', 'setpriv'], 'a temporary folder that is full', () => {
  test('is told where a tool needs it', async () => {
    const { pid } = startPython('burn.py', 60)
    await untilBusy(pid)
    const folder = temporaryFolder()
    const full = `mount -t tmpfs -o size=4k none ${folder} && head -c 4k /dev/zero >${folder}/full`
    const result = await sp(['record', `${pid}`, '-d', '1', '--tool', 'py-spy', '--json'], {
      under: ['unshare', '-m', 'sh', '-c', `${full}; exec "$@"`, 'sh'],
      env: { TMPDIR: folder },
    })
    expect(result.code).not.toBe(0)
    expect(linesOf(result).at(-1)!.error!.message).toMatch(/No space left|full/)
  })
})

describeWith([], 'a folder that takes no folders', () => {
  test('is told', async () => {
    const result = await sp(['render', '-', '--to=file:/proc/nowhere'], { input: stacks })
    expectFailure(result, 'SP_OUTPUT_FAILED', 6)
  })
})
