// An ordinary application as it runs in a container: tini, a master, workers. Who names pid 1 means
// the worker, and gets what that one runs.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { readStat } from '../../agent/target/procfs.ts'
import { below, describeWith, start } from '../apps/apps.ts'
import { publish } from '../command.ts'

const apps = path.resolve(import.meta.dirname, '../apps')

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  return port
}

function loadOn(port: number): void {
  const load = spawn(process.execPath, [path.join(apps, 'load.ts'), `${port}`, '60'], {
    stdio: 'ignore',
  })
  onTestFinished(() => {
    load.kill('SIGKILL')
  })
}

describeWith(
  ['tini', 'puma', 'ruby', 'rbspy', 'perf', 'setpriv'],
  'puma with two workers under tini',
  () => {
    test('is sampled in a busy worker, and its functions have names', async () => {
      const port = await freePort()
      const config = path.join(apps, 'ruby/shop/config.ru')
      const bind = ['--bind', `tcp://127.0.0.1:${port}`]
      const puma = ['puma', '--workers', '2', '--threads', '1:1', ...bind, config]
      const tini = start('tini', ['-s', '--', ...puma])
      onTestFinished(() => {
        for (const pid of [tini.pid, ...below(tini.pid)]) process.kill(pid, 'SIGKILL')
      })
      let said = ''
      tini.stdout!.setEncoding('utf8').on('data', (piece: string) => {
        said += piece
      })
      for (let tries = 0; tries < 500 && !/Worker 1 .*booted/.test(said); tries++) await sleep(50)
      loadOn(port)
      loadOn(port)
      await sleep(1000)

      const { folded, receipt } = await publish(['record', `${tini.pid}`, '-d', '2', '-F', '199'])
      const { target, remarks, tools } = receipt.record
      expect(target).toMatchObject({ runtime: 'Ruby', comm: expect.stringMatching(/puma|ruby/) })
      expect(remarks[0]).toMatch(
        new RegExp(
          `^Process ${tini.pid} \\(tini\\) is idle: taking its busiest descendant ${target.pid} `,
        ),
      )
      expect(Object.keys(tools)).toContain('rbspy')
      // The rest is serving: puma, rack, and Ruby's own sockets.
      expect(folded.share('price')).toBeGreaterThan(0.3)
      expect(readStat(readStat(target.pid).parentPid).parentPid).toBe(tini.pid)
    })
  },
)
