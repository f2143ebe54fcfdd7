// Another profiler or a debugger is in the process already: it is told, left alone, and works on.
// JVMs are in jvm-hostile.test.ts, a CPU profile of Node in node.test.ts, one of Go in pprof.test.ts.

import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { readStat, readStatus } from '../../agent/target/procfs.ts'
import { describeWith, findOnPath, start, startPython, trace, untilBusy } from '../apps/apps.ts'
import { startScript } from '../apps/node.ts'
import { linesOf, publish, readStacks, sp } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

function expectGoesOn(pid: number): void {
  expect('RS').toContain(readStat(pid).state)
}

describeWith(['py-spy', 'perf', 'python3'], 'a Python', () => {
  test('that a debugger holds is read without being stopped, and the debugger holds it on', async () => {
    const { pid } = startPython('burn.py', 60)
    await untilBusy(pid)
    const tracer = await trace(pid)
    const { folded, receipt } = await publish(['record', `${pid}`, '-d', '2'])
    expect(receipt.record.tools).toHaveProperty('py-spy')
    expect(folded.share('hot_leaf')).toBeGreaterThan(0.5)
    const doctor = await sp(['doctor', `${pid}`])
    expect(doctor.stdout.toString()).toContain(`process ${tracer} traces it`)
    expect(readStatus(pid).tracerPid).toBe(tracer)
    expectGoesOn(pid)
  })

  test('that a debugger holds is not stopped for a sample: perf is used, or it is refused', async () => {
    const { pid } = startPython('burn.py', 60)
    await untilBusy(pid)
    const tracer = await trace(pid)
    const { receipt } = await publish(['record', `${pid}`, '-d', '1', '--pause'])
    expect(receipt.record.tools).toHaveProperty('perf')
    const words = `py-spy may not stop process ${pid}: ${tracer} traces it`
    expect(receipt.record.remarks.join()).toContain(words)
    const refused = await sp(['record', `${pid}`, '--pause', '--tool=py-spy', '--json'])
    expect(linesOf(refused).at(-1)).toMatchObject({ error: { code: 'SP_NOT_PERMITTED' } })
    expect(refused.stderr).toContain(words)
    expect(readStatus(pid).tracerPid).toBe(tracer)
    expectGoesOn(pid)
  })

  test('that another py-spy samples, and stops for it, is sampled by both', async () => {
    const { pid } = startPython('burn.py', 60)
    await untilBusy(pid)
    const file = path.join(temporaryFolder(), 'theirs')
    const rate = ['--rate', '50', '--duration', '8', '--format', 'raw', '--output', file]
    const theirs = start(findOnPath('py-spy')!, ['record', '--pid', `${pid}`, ...rate])
    const { folded } = await publish(['record', `${pid}`, '-d', '2'])
    expect(folded.share('hot_leaf')).toBeGreaterThan(0.5)
    if (theirs.exitCode === null) await once(theirs, 'exit')
    expect(theirs.exitCode).toBe(0)
    const lines = fs.readFileSync(file, 'utf8')
    expect(readStacks(lines).share(/^hot_leaf /)).toBeGreaterThan(0.5)
    expectGoesOn(pid)
  })
})

describeWith(['perf', 'python3'], 'a Node', () => {
  test('that a debugger holds is sent no signal, which would stop it', async () => {
    const child = await startScript(['service.js', '60'])
    const tracer = await trace(child.pid)
    const { receipt } = await publish(['record', `${child.pid}`, '-d', '1'])
    expect(receipt.record.tools).toHaveProperty('perf')
    expect(receipt.record.remarks.join()).toContain(`is traced by process ${tracer}`)
    expect(child.said()).not.toContain('Debugger')
    expectGoesOn(child.pid)
  })
})
