// Ordinary applications as they run in a container: tini, a master, workers. Who names pid 1 means
// the worker, and gets what that one runs.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { readStat } from '../../agent/target/procfs.ts'
import { below, describeWith, start, systemPython } from '../apps/apps.ts'
import { publish } from '../command.ts'

const apps = path.resolve(import.meta.dirname, '../apps')
/** Where `scripts/setup` puts gunicorn and Flask. */
const flask = path.resolve(import.meta.dirname, '../../.cache/flask')

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

interface Server {
  readonly port: number
  readonly command: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** What it says, on either output, when it serves. */
  readonly serving: RegExp
}

/** Starts it under tini, and two clients of it; its pid is tini's. */
async function startServer({ port, command, env, serving }: Server): Promise<number> {
  const tini = start('tini', ['-s', '--', ...command], {
    stderr: 'pipe',
    ...(env && { env: { ...process.env, ...env } }),
  })
  onTestFinished(() => {
    for (const pid of [tini.pid, ...below(tini.pid)]) process.kill(pid, 'SIGKILL')
  })
  let said = ''
  for (const output of [tini.stdout!, tini.stderr!]) {
    output.setEncoding('utf8').on('data', (piece: string) => {
      said += piece
    })
  }
  for (let tries = 0; tries < 500 && !serving.test(said); tries++) await sleep(50)
  expect(said).toMatch(serving)
  loadOn(port)
  loadOn(port)
  await sleep(1000)
  return tini.pid
}

/** It was looked through the idle ones above, down to a worker, and that is said first. */
function expectWorkerBelow(
  tini: number,
  { target, remarks }: { target: { pid: number }; remarks: readonly string[] },
): void {
  expect(remarks[0]).toMatch(
    new RegExp(`^Process ${tini} \\(tini\\) is idle: taking its busiest descendant ${target.pid} `),
  )
  expect(readStat(readStat(target.pid).parentPid).parentPid).toBe(tini)
}

describeWith(
  ['tini', 'puma', 'ruby', 'rbspy', 'perf', 'setpriv'],
  'puma with two workers under tini',
  () => {
    test('is sampled in a busy worker, and its functions have names', async () => {
      const port = await freePort()
      const config = path.join(apps, 'ruby/shop/config.ru')
      const bind = ['--bind', `tcp://127.0.0.1:${port}`]
      const command = ['puma', '--workers', '2', '--threads', '1:1', ...bind, config]
      const tini = await startServer({ port, command, serving: /Worker 1 .*booted/ })
      const { folded, receipt } = await publish(['record', `${tini}`, '-d', '2', '-F', '199'])
      const { target, tools } = receipt.record
      expect(target).toMatchObject({ runtime: 'Ruby', comm: expect.stringMatching(/puma|ruby/) })
      expectWorkerBelow(tini, receipt.record)
      expect(Object.keys(tools)).toContain('rbspy')
      // The rest is serving: puma, rack, and Ruby's own sockets.
      expect(folded.share('price')).toBeGreaterThan(0.3)
    })
  },
)

describeWith(
  ['tini', 'python3', 'py-spy', 'perf', 'setpriv'],
  'gunicorn with two workers under tini',
  () => {
    const skipped = fs.existsSync(`${flask}/gunicorn`)
      ? ''
      : ' (skipped for want of gunicorn and Flask: see scripts/setup)'
    test.skipIf(skipped !== '')(
      `is sampled in a busy worker, from the server down to the handler${skipped}`,
      async () => {
        const port = await freePort()
        const bind = ['--bind', `127.0.0.1:${port}`, '--no-control-socket']
        const tini = await startServer({
          port,
          command: [systemPython(), '-m', 'gunicorn', '--workers', '2', ...bind, 'shop:app'],
          env: { PYTHONPATH: `${flask}:${path.join(apps, 'cpython/shop')}` },
          serving: /(?:Booting worker[\s\S]*){2}/,
        })
        const { folded, receipt } = await publish(['record', `${tini}`, '-d', '2', '-F', '199'])
        const { target, tools } = receipt.record
        expect(target).toMatchObject({ runtime: 'CPython' })
        expectWorkerBelow(tini, receipt.record)
        expect(Object.keys(tools)).toContain('py-spy')
        expect(folded.share('price')).toBeGreaterThan(0.5)
        // The whole way, from what the container starts to the handler; the rest is serving.
        const way = ['SyncWorker.run', 'Flask.__call__', 'Flask.dispatch_request', 'cart', 'price']
        const hot = folded.stacks.filter(({ frames }) => frames.at(-1) === 'price')
        for (const { frames } of hot) expect(frames.filter(name => way.includes(name))).toEqual(way)
      },
    )
  },
)
