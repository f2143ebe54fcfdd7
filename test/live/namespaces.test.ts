// A target in namespaces of its own, as every container is, seen by a sidecar
// that may not enter them: at the target's paths our mount namespace has other
// files, and no name may come from those.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { compile, describeWith, start, startIsolated, untilBusy } from '../apps/apps.ts'
import { publish } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'
import { asSidecar, compileLibrary } from './sidecar.ts'

const needed = [
  'perf',
  'cc',
  'c++',
  'setpriv',
  'unshare',
  'root',
  'the right to unshare a mount namespace',
  'the right to unshare a PID namespace',
]

function record(pid: number) {
  return publish(['record', `${pid}`, '-d', '1', '-F', '999', '--tool=perf'], { under: asSidecar })
}

describeWith(needed, 'a target in another mount namespace', () => {
  test('has the names of its own library, not of ours at the same path', async () => {
    const [ours, theirs] = [compileLibrary('ours_inner'), compileLibrary('theirs_inner')]
    const target = startIsolated(`mount --bind ${theirs} ${ours}`, [compile('host'), '60', ours])
    await untilBusy(target.pid)
    const { folded, receipt } = await record(target.pid)
    expect(folded.share('theirs_inner')).toBeGreaterThan(0.9)
    expect(folded.has(/ours/)).toBe(false)
    expect(receipt.quality.unknownAnywhere).toBeLessThan(0.05)
  })

  test('has the names of its own executable, not of ours at the same path', async () => {
    const [ours, theirs] = [compile('burn'), compile('shares')]
    const target = startIsolated(`mount --bind ${theirs} ${ours}`, [ours, '60'])
    await untilBusy(target.pid)
    const { folded } = await record(target.pid)
    expect(folded.share(/^(?:parse|encode)$/)).toBeGreaterThan(0.9)
    expect(folded.has(/burn_/)).toBe(false)
  })

  test('has the names of the debug files in its own root', async () => {
    const root = temporaryFolder()
    for (const folder of ['old', 'srv', 'usr/lib/debug/.build-id']) {
      fs.mkdirSync(path.join(root, folder), { recursive: true })
    }
    const built = compile('shares.cpp', ['-static', '-Wl,--build-id=0xfeedfacecafe'])
    const debug = path.join(root, 'usr/lib/debug/.build-id/fe/edfacecafe.debug')
    fs.mkdirSync(path.dirname(debug))
    execFileSync('objcopy', ['--only-keep-debug', built, debug])
    execFileSync('objcopy', ['--strip-all', built, path.join(root, 'srv/shares')])
    const enter = `mount --bind ${root} ${root} && cd ${root} && pivot_root . old`
    const target = startIsolated(enter, ['/srv/shares', '60'])
    await untilBusy(target.pid)
    const { folded, receipt } = await record(target.pid)
    expect(folded.share(/decode<1>/)).toBeGreaterThan(0.5)
    expect(receipt.record.symbols).toContainEqual(
      expect.objectContaining({
        module: '/srv/shares',
        sources: expect.arrayContaining(['debug file']),
      }),
    )
  })
})

describeWith(needed, 'a target in another PID namespace', () => {
  test('has its perf map under the pid that it sees itself', async () => {
    const script = path.join(import.meta.dirname, '../apps/node/service.js')
    // Its /tmp hides ours, and this checkout may lie in it: what is needed is seen at /mnt as well.
    const isolate = [
      'mount -t tmpfs none /mnt',
      'touch /mnt/node /mnt/service.js',
      'mount --bind "$1" /mnt/node',
      'mount --bind "$2" /mnt/service.js',
      'mount -t tmpfs none /tmp',
      'cd /tmp',
      'exec /mnt/node --perf-basic-prof /mnt/service.js 60',
    ].join(' && ')
    const outer = start('unshare', [
      ...['-m', '-p', '-f', '--kill-child=KILL', '--mount-proc', 'sh', '-c', isolate, 'sh'],
      ...[process.execPath, script],
    ])
    await sleep(1000)
    const children = fs.readFileSync(`/proc/${outer.pid}/task/${outer.pid}/children`, 'utf8')
    const pid = Number(children)
    const { folded, receipt } = await record(pid)
    expect(receipt.record.target).toMatchObject({ pid, nspid: 1 })
    expect(fs.existsSync(`/tmp/perf-${pid}.map`)).toBe(false)
    expect(folded.share(/\bparse\b.*service\.js/)).toBeGreaterThan(0.5)
    expect(receipt.quality.unknownAnywhere).toBeLessThan(0.05)
  })
})
