// PHP, which perf sees only the interpreter of: what matters is that this is said. phpspy is packaged
// nowhere, so a script that prints documented lines stands for it where its driver is meant.

import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { describeWith, untilBusy } from '../apps/apps.ts'
import { asNobody, startPhp } from '../apps/scripts.ts'
import { profilersOf, publish, readPublished, sp, startCommand, untilSampled } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'
import { asSidecar } from './sidecar.ts'

const needed = ['php', 'perf', 'setpriv']

async function busy(under: readonly string[] = []): Promise<number> {
  const { pid } = startPhp(60, under)
  await untilBusy(pid)
  return pid
}

describeWith(needed, 'PHP without phpspy', () => {
  test('is known with its version, and sampled with a verdict that says what is missing', async () => {
    const pid = await busy()
    const { receipt, folded } = await publish(['record', `${pid}`, '-d', '2', '-F', '999'])
    expect(receipt.record.target).toMatchObject({
      runtime: 'PHP',
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    })
    expect(folded.has('execute_ex')).toBe(true)
    expect(folded.has(/parse|encode/)).toBe(false)
    const remarks = receipt.record.remarks.join()
    expect(remarks).toContain('phpspy is not used: phpspy is not installed here')
    expect(remarks).toContain('perf sees the interpreter (execute_ex), not the PHP functions')
    expect(receipt.verdict.headline).not.toContain('Start there')
  })

  test('of another user is sampled as a sidecar does', async () => {
    const pid = await busy(asNobody)
    const args = ['record', `${pid}`, '-d', '1', '-F', '499']
    const { receipt } = await publish(args, { under: asSidecar })
    expect(receipt.record.target).toMatchObject({ runtime: 'PHP', uid: 65534 })
  })
})

describeWith(needed, 'phpspy', () => {
  // A hundred samples a second, of which two thirds are in `parse`; a SIGINT ends it.
  const script = `
    printf '%s\\n' "$@" >"$0.args"
    while :; do
      printf '0 parse /srv/shares.php:5\\t1 <main> /srv/shares.php:9\\t\\n'
      printf '0 parse /srv/shares.php:6\\t1 <main> /srv/shares.php:9\\t\\n'
      printf '0 usleep <internal>:-1\\t1 <main> /srv/shares.php:9\\t\\n'
      sleep 0.03
    done`
  const withPhpspy = (text: string) => {
    const file = path.join(temporaryFolder(), 'phpspy')
    const version = '[ "$1" = --version ] && exec echo v0.7.0'
    fs.writeFileSync(file, `#!/bin/sh\n${version}\n${text}\n`, { mode: 0o755 })
    return { file, env: { PATH: `${path.dirname(file)}:${process.env.PATH}` } }
  }

  test('is used where it is, told what to sample, and stopped by the clock', async () => {
    const pid = await busy()
    const { file, env } = withPhpspy(script)
    const { receipt, folded } = await publish(['record', `${pid}`, '-d', '1', '-m', 'wall'], {
      env,
    })
    expect(Object.keys(receipt.record.tools)).toContain('phpspy')
    expect(folded.share('parse')).toBeCloseTo(2 / 3, 1)
    expect(receipt.record.durationMs).toBeLessThan(3000)
    const told = fs.readFileSync(`${file}.args`, 'utf8').trim().split('\n')
    expect(told).toEqual(expect.arrayContaining([`--pid=${pid}`, '--rate-hz=99', '--single-line']))
    expect(profilersOf(pid)).toEqual([])
  })

  test('says in mode cpu that it samples what waits, too', async () => {
    const pid = await busy()
    const { receipt } = await publish(
      ['record', `${pid}`, '-d', '1', '-F', '999'],
      withPhpspy(script),
    )
    const remarks = receipt.record.remarks.join()
    expect(remarks).toContain('phpspy samples a request while it waits, too')
    expect(remarks).toContain('phpspy gives 499 Hz at most, not 999')
  })

  test('that fails is replaced by perf', async () => {
    const pid = await busy()
    const failing = withPhpspy('echo "get_php_bin_path: Failed" >&2; exit 1')
    const { receipt } = await publish(['record', `${pid}`, '-d', '1'], failing)
    expect(receipt.record.remarks.join()).toMatch(/phpspy failed, so perf was used/)
  })

  test('is not given a path that a shell could take for more', async () => {
    const folder = path.join(temporaryFolder(), 'a;b')
    fs.mkdirSync(folder)
    fs.copyFileSync(fs.realpathSync('/usr/bin/php'), path.join(folder, 'php'))
    fs.chmodSync(path.join(folder, 'php'), 0o755)
    const { pid } = startPhp(60, ['env', `PATH=${folder}:/usr/bin:/bin`])
    await untilBusy(pid)
    const { receipt } = await publish(['record', `${pid}`, '-d', '1'], withPhpspy(script))
    expect(receipt.record.remarks.join()).toContain('holds what a shell may take for more')
  })

  test('is ended with its target, and what it saw is kept', async () => {
    const target = startPhp(60)
    await untilBusy(target.pid)
    const real = `${script.replace('while :', `while [ -d /proc/${target.pid} ]`)}`
    const args = ['record', `${target.pid}`, '-d', '30', '--json', `--to=file:${temporaryFolder()}`]
    const running = startCommand(args, withPhpspy(real))
    await untilSampled(target.pid)
    target.kill('SIGKILL')
    expect(readPublished(await running.result).folded.has('parse')).toBe(true)
    expect(profilersOf(target.pid)).toEqual([])
  })

  test('that gives nothing is no sample, and no failure of its own', async () => {
    const pid = await busy()
    const args = ['record', `${pid}`, '-d', '1', '--tool', 'phpspy', '--json']
    const result = await sp(args, withPhpspy('sleep 60'))
    expect(result.stderr).toContain('SP_NO_SAMPLES')
  })
})
