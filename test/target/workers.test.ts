// Looking through supervisors, of living processes: `agent/target/workers.ts` has the rule.

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { targetOf } from '../../agent/target/find.ts'
import { lookThrough } from '../../agent/target/workers.ts'
import { below, compile, describeWith, start, untilBusy } from '../apps/apps.ts'
import { startRuby } from '../apps/scripts.ts'

/** Starts it in a session of its own, all of which is ended with the test. */
function startTree(file: string, args: readonly string[]): number {
  const { pid } = start('setsid', [file, ...args])
  onTestFinished(() => {
    for (const each of below(pid)) {
      try {
        process.kill(each, 'SIGKILL')
      } catch {
        // It ended with its parent.
      }
    }
  })
  return pid
}

async function untilBelow(pid: number, count: number): Promise<number[]> {
  for (let tries = 0; tries < 200 && below(pid).length < count; tries++) await sleep(20)
  const found = below(pid)
  await Promise.all(found.map(each => untilBusy(each).catch(() => {})))
  return found
}

const look = async (pid: number, mode: 'cpu' | 'wall' = 'cpu') => {
  const found = await lookThrough(targetOf(pid), mode)
  return found && { ...found, pids: found.workers.map(worker => worker.pid).sort((a, b) => a - b) }
}

describeWith(['cc', 'setsid', 'sh'], 'what was named', () => {
  test('is taken as it is, where it has no children', async () => {
    expect(await look(start('sleep', ['60']).pid)).toBe(undefined)
  })

  test('is taken as it is, where it is busy itself', async () => {
    const burn = compile('burn')
    // `exec`, so that the parent of the second is the first.
    const pid = startTree('sh', ['-c', `${burn} 60 & exec ${burn} 60`])
    await untilBelow(pid, 1)
    await untilBusy(pid)
    expect(await look(pid)).toBe(undefined)
  })

  test('is taken as it is, where nothing below it is busy', async () => {
    const pid = startTree('sh', ['-c', 'sleep 60 & sleep 60 & wait'])
    await sleep(300)
    expect(await look(pid)).toBe(undefined)
  })

  test('is looked through to the busy one, through all that is idle between', async () => {
    const pid = startTree('sh', ['-c', `sh -c "${compile('burn')} 60; true"; true`])
    const pids = await untilBelow(pid, 2)
    expect(await look(pid)).toMatchObject({ supervisor: { pid }, pids: [pids[1]], areAlike: true })
  })

  test('is looked through to several, which are alike if they were started alike', async () => {
    const burn = compile('burn')
    const pid = startTree('sh', ['-c', `${burn} 60 & ${burn} 60 & wait`])
    const pids = await untilBelow(pid, 2)
    expect(await look(pid)).toMatchObject({ pids: pids.sort((a, b) => a - b), areAlike: true })
  })

  test('is looked through to several, which are not alike if they are different programs', async () => {
    const pid = startTree('sh', ['-c', `${compile('burn')} 60 & ${compile('shares')} 60 & wait`])
    await untilBelow(pid, 2)
    expect(await look(pid)).toMatchObject({ areAlike: false })
  })

  test('is looked through in wall mode if it is a pure supervisor, and not if it may be meant', async () => {
    const burn = compile('burn')
    const shell = startTree('sh', ['-c', `${burn} 60; true`])
    const [worker] = await untilBelow(shell, 1)
    expect(await look(shell, 'wall')).toMatchObject({ pids: [worker] })

    const waiting = startTree('timeout', ['60', burn, '60'])
    const [other] = await untilBelow(waiting, 1)
    expect(await look(waiting, 'wall')).toBe(undefined)
    expect(await look(waiting)).toMatchObject({ pids: [other] })
  })
})

const supervisors = [
  ['tini', ['-s', '--']],
  ['dumb-init', []],
  ['catatonit', ['--']],
] as const

for (const [name, flags] of supervisors) {
  describeWith([name, 'setsid'], name, () => {
    test('is looked through to its only child, busy or not', async () => {
      const pid = startTree(name, [...flags, 'sleep', '60'])
      await sleep(300)
      const [child] = below(pid)
      expect(await look(pid)).toMatchObject({ pids: [child] })
      expect(await look(pid, 'wall')).toMatchObject({ pids: [child] })
    })
  })
}

describeWith(['ruby', 'setsid'], 'a master', () => {
  test('is looked through to its workers, alike though each has a name of its own', async () => {
    const master = startRuby(60, 'workers', ['setsid'])
    onTestFinished(() => {
      for (const each of below(master.pid)) process.kill(each, 'SIGKILL')
    })
    const pids = await untilBelow(master.pid, 3)
    const names = pids.map(pid => fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
    expect(new Set(names).size).toBe(3)
    for (const mode of ['cpu', 'wall'] as const) {
      const found = await look(master.pid, mode)
      expect(found?.areAlike).toBe(true)
      expect(pids).toEqual(expect.arrayContaining(found!.pids))
    }
  })
})

test('who asks is never the worker', async () => {
  // We are busy, and below whoever runs the tests.
  const end = performance.now() + 300
  while (performance.now() < end) spawnSync('true')
  const found = await look(process.ppid)
  expect(found?.pids ?? []).not.toContain(process.pid)
})
