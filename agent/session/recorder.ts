// Whom the flight recorder records, and how perf is run for it; or in a plain
// word why not.

import fs from 'node:fs'
import path from 'node:path'
import { monotonicMs } from '../capture/capture.ts'
import { askKernel } from '../capture/probe.ts'
import { type Recorder, recorderArguments, recorderHertz } from '../capture/recorder.ts'
import type { Settings } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import { diagnose } from '../plan/diagnosis.ts'
import { readPrivileges } from '../plan/privileges.ts'
import { fingerprint } from '../runtimes/index.ts'
import { withFacts } from '../target/facts.ts'
import { chooseUnasked } from './choose.ts'

/** What the door starts, for perf has to outlive the house. */
export interface RecorderStart {
  readonly path: string
  readonly args: readonly string[]
  readonly recorder: Omit<Recorder, 'perf'>
}

/**
 * @param which the process, or `busy` for the only busy one
 * @throws {ProfilerError} `SP_TOOL_UNSUITABLE` where perf cannot name its frames; `SP_NOT_PERMITTED`;
 *   `SP_TARGET_GONE`, `SP_TARGET_AMBIGUOUS`
 */
export async function planRecorder(
  which: number | 'busy',
  settings: Settings,
  state: string,
): Promise<RecorderStart> {
  const target = await chooseUnasked(which === 'busy' ? undefined : which, 'cpu')
  const { pid } = target
  const answersOf = await askKernel([pid])
  return withFacts(pid, facts => {
    const privileges = readPrivileges(pid, answersOf(pid))
    const ask = { ...settings, mode: 'cpu' as const, durationMs: settings.duration }
    const findings = diagnose(facts, fingerprint(facts), privileges, ask)
    const cpu = findings.filter(({ mode }) => mode === 'cpu')
    const byPerf = cpu.find(({ tool, status }) => tool === 'perf' && status !== 'blocked')
    const [what, grant] = [byPerf ?? cpu.find(({ tool }) => tool === 'perf') ?? cpu[0]!].flatMap(
      ({ obstacles }) => [obstacles[0]?.what ?? 'perf cannot sample it', obstacles[0]?.grant],
    )
    if (byPerf === undefined) {
      throw new ProfilerError('SP_NOT_PERMITTED', `process ${pid} cannot be recorded: ${what}`, {
        facts: grant === undefined ? {} : { grant },
      })
    }
    // Where another tool is the first choice, perf would see an interpreter and not the program.
    const first = cpu.find(({ status }) => status !== 'blocked')
    if (byPerf.status === 'degraded' && first?.tool !== 'perf') {
      throw new ProfilerError('SP_TOOL_UNSUITABLE', `process ${pid} is not recorded: ${what}`)
    }
    const folder = path.join(state, 'recorder')
    fs.rmSync(folder, { recursive: true, force: true })
    fs.mkdirSync(folder, { mode: 0o700 })
    const args = recorderArguments(pid, folder, privileges.capabilities.has('IPC_LOCK'))
    const recorder = { target, folder, hertz: recorderHertz, sinceMs: monotonicMs() }
    return { path: privileges.tools.get('perf')!, args, recorder }
  })
}
