// The five things that stand between a laptop's flame graph and one of a
// production pod: what doctor says of each, and what is captured all the same.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Tool } from '../../agent/config.ts'
import type { Finding } from '../../agent/plan/diagnosis.ts'
import type { Patient } from '../../agent/session/examine.ts'
import {
  compile,
  describeWith,
  missing,
  start,
  startIsolated,
  startNode,
  untilBusy,
} from '../apps/apps.ts'
import {
  type Confined,
  type Containers,
  openContainers,
  plain,
  profileAgainst,
} from '../apps/containers.ts'
import { sp } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

const root = path.resolve(import.meta.dirname, '../..')
const command = path.join(root, 'scripts/sp-flamegraph')
const lacking = missing('perf', 'py-spy', 'perl', 'podman', 'root')
const title = lacking.length > 0 ? ` (skipped for want of ${lacking.join(', ')})` : ''

function findingOf(patient: Patient, tool: Tool): Finding {
  return patient.findings.find(finding => finding.tool === tool && finding.mode === 'cpu')!
}

function words({ obstacles }: Finding): string {
  return obstacles.map(({ what, grant }) => `${what}; ${grant}`).join('\n')
}

async function doctor(pid: number): Promise<Patient> {
  const { stdout } = await sp(['doctor', `${pid}`, '--json'])
  return JSON.parse(stdout.toString()).targets[0]
}

describe.skipIf(lacking.length > 0)(`1. seccomp${title}`, () => {
  const calls = ['ptrace', 'process_vm_readv', 'process_vm_writev', 'perf_event_open', 'bpf']
  let containers: Containers
  let pod: string

  beforeAll(() => {
    const opened = openContainers()
    if ('why' in opened) throw new Error(`containers cannot run here: ${opened.why}`)
    containers = opened
    const program = path.join(root, 'test/apps/cpython/burn.py')
    pod = containers.start(['/usr/bin/python3', program, '300'], as1000)
  })
  afterAll(() => containers?.close())

  const as1000 = { ...plain, uid: 1000, gid: 1000 }

  async function inPod(how: Confined, shell: string): Promise<unknown[]> {
    const { stdout, stderr } = await containers.beside(pod, ['sh', '-c', shell], how)
    if (stdout === '') throw new Error(stderr)
    return stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
  }

  test('that refuses ptrace and process_vm_readv does not stop the same user', async () => {
    const how = { ...as1000, seccomp: profileAgainst(calls, 1) }
    const record = `${command} record 1 -d 1 --to file:/tmp/out --json`
    const [said, ...lines] = await inPod(how, `${command} doctor 1 --json; ${record}`)
    const { notes, targets } = said as { notes: string[]; targets: Patient[] }
    expect(notes.join('\n')).toContain('seccomp blocks process_vm_readv')
    expect(findingOf(targets[0]!, 'py-spy').status).toBe('works')
    const perf = findingOf(targets[0]!, 'perf')
    expect(perf.status).toBe('blocked')
    expect(words(perf)).toContain('seccomp blocks perf_event_open; add the capability PERFMON')
    const last = lines.at(-1) as { receipt: { record: { tools: object }; verdict: object } }
    expect(last.receipt.record.tools).toHaveProperty('py-spy')
    expect(JSON.stringify(last.receipt.verdict)).toContain('hot_leaf')
  })

  test.for([
    ['EACCES', 13],
    ['death', 'kill'],
  ] as const)('that answers with %s blocks, and doctor outlives it', async ([, error]) => {
    const how = { ...as1000, seccomp: profileAgainst(calls, error) }
    const anyway = `exec node ${root}/test/apps/capture-anyway.ts python3`
    const [said, tried] = await inPod(how, `${command} doctor 1 --json; ${anyway}`)
    const [patient] = (said as { targets: Patient[] }).targets
    expect(patient!.findings.map(({ status }) => status)).not.toContain('works')
    expect(words(findingOf(patient!, 'py-spy'))).toContain('seccomp blocks process_vm_readv')
    expect(JSON.stringify(tried)).not.toContain('"target":true')
  })

  test('that refuses them to root leaves it nothing: it may not open the memory either', async () => {
    const how = { ...plain, capabilities: ['SYS_PTRACE'], seccomp: profileAgainst(calls, 1) }
    const anyway = `exec node ${root}/test/apps/capture-anyway.ts python3`
    const [said, tried] = await inPod(how, `${command} doctor 1 --json; ${anyway}`)
    const [patient] = (said as { targets: Patient[] }).targets
    expect(findingOf(patient!, 'py-spy').status).toBe('blocked')
    expect(JSON.stringify(tried)).not.toContain('"target":true')
  })

  test('and a node without headers of its kernel: nothing of ours needs any', async () => {
    const how = { ...plain, capabilities: ['SYS_PTRACE', 'PERFMON'] }
    const record = `${command} record 1 -d 1 --tool perf --to file:/tmp/out --json`
    const lines = await inPod(
      how,
      `test ! -e /lib/modules && test ! -e /usr/src/linux && ${record}`,
    )
    expect(lines.at(-1)).toHaveProperty('receipt.quality')
  })
})

describeWith(['perf', 'cc'], '2. symbols that are elsewhere', () => {
  const buildId = '-Wl,--build-id=0xfeedfacecafe'
  const debugFile = '/usr/lib/debug/.build-id/fe/edfacecafe.debug'

  test('are missed, and where they belong is said', async () => {
    const { pid } = start(compile('burn', ['-s', buildId]), ['60'])
    const perf = findingOf(await doctor(pid), 'perf')
    expect(perf.status).toBe('degraded')
    expect(words(perf)).toContain(`it is stripped: only what it exports has a name; ${debugFile}`)
  })

  test.skipIf(missing('unshare', 'objcopy', 'the right to unshare a mount namespace').length > 0)(
    'are found where they belong',
    async () => {
      const [folder, built] = [temporaryFolder(), compile('burn', ['-static', buildId])]
      for (const name of ['old', 'srv', path.dirname(debugFile)]) {
        fs.mkdirSync(path.join(folder, name), { recursive: true })
      }
      execFileSync('objcopy', ['--only-keep-debug', built, path.join(folder, debugFile)])
      execFileSync('objcopy', ['--strip-all', built, path.join(folder, 'srv/burn')])
      const enter = `mount --bind ${folder} ${folder} && cd ${folder} && pivot_root . old`
      const { pid } = startIsolated(enter, ['/srv/burn', '60'])
      await untilBusy(pid)
      expect(words(findingOf(await doctor(pid), 'perf'))).not.toContain('stripped')
    },
  )
})

describeWith(['perf'], '3. code that a JIT compiler made', () => {
  test('has no names where it writes no map, and the flag is said', async () => {
    const script = path.join(root, 'test/apps/node/service.js')
    const { pid } = start(process.execPath, [script, '60'], { cwd: temporaryFolder() })
    await sleep(500)
    const perf = findingOf(await doctor(pid), 'perf')
    expect(perf.status).toBe('degraded')
    expect(words(perf)).toContain('--perf-basic-prof')
  })

  test('has them where it does', async () => {
    const { pid } = startNode(60)
    await sleep(500)
    expect(words(findingOf(await doctor(pid), 'perf'))).not.toContain('--perf-basic-prof')
  })
})

// The fourth, headers of the kernel, is in the container above: there are none.

describeWith(['perf', 'cc'], '5. a program that was packed', () => {
  test('is known by what it lacks, and has no names', async () => {
    const packed = compile('jit', ['-s'])
    const file = fs.readFileSync(packed)
    // As UPX leaves it: no table of sections (e_shoff, e_shnum, e_shstrndx of elf(5)), code in memory.
    file.fill(0, 40, 48)
    file.fill(0, 60, 64)
    fs.writeFileSync(packed, file)
    const { pid } = start(packed, ['60'])
    await untilBusy(pid)
    const perf = findingOf(await doctor(pid), 'perf')
    expect(perf.status).toBe('degraded')
    expect(words(perf)).toContain('it is packed')
  })
})
