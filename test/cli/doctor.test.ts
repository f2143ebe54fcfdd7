// `doctor` as a person and a program read it.

import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { compile, describeWith, findOnPath, missing, start } from '../apps/apps.ts'
import { linesOf, type Result, sp } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

/** The command with only this program beside it; the shell that started it is pid 1. */
function beside(program: string, args: readonly string[], unshare: readonly string[] = []) {
  const namespace = ['-m', '-p', '-f', '--kill-child=KILL', '--mount-proc', ...unshare]
  const shell = ['sh', '-c', `${program} 60 & sleep 0.2; "$@"`, 'sh']
  return sp(args, { under: ['unshare', ...namespace, ...shell] })
}

function expectNarrow({ stdout }: Result): string {
  const text = stdout.toString()
  for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100)
  return text
}

describeWith(['perf', 'cc', 'unshare', 'the right to unshare a PID namespace'], 'doctor', () => {
  test('without a pid looks at what is busy, and says who we are', async () => {
    const result = await beside(compile('burn'), ['doctor'])
    expect(result.code).toBe(0)
    const text = expectNarrow(result)
    expect(text).toMatch(/^We are uid \d+, gid \d+: /)
    expect(text).toMatch(/^Process 2 \(burn\): native code \S+, uid \d+, \d+ % of a core$/m)
    expect(text).toMatch(/^ {2}(?:works|degraded) +perf: cpu/m)
    expect(text).toContain('and 1 more that use less')
  })

  test('has everything as one line of JSON', async () => {
    const [said, ...more] = linesOf(await beside(compile('burn'), ['doctor', '--json']))
    expect(more).toEqual([])
    const [burn] = said!.targets as unknown as [{ findings: { tool: string; mode: string }[] }]
    expect(burn.findings.map(({ tool, mode }) => `${tool} ${mode}`)).toEqual(
      ['cpu', 'wall', 'off-cpu', 'both'].map(mode => `perf ${mode}`),
    )
    expect(said!.targets!.map(({ comm }) => comm)).toEqual(['burn', 'sh'])
    expect(said).toMatchObject({
      us: { answers: { perfUser: 'allowed' } },
      targets: [{ least: { isHeld: true } }, {}],
    })
  })

  test('in a user namespace knows that its capabilities reach no kernel', async () => {
    const result = await beside(compile('burn'), ['doctor'], ['-U', '-r'])
    const text = expectNarrow(result)
    expect(text).toContain('in a user namespace')
    expect(text).toMatch(/kernel frames are left out \(a user namespace\)/)
    expect(result.code).toBe(0)
  })

  test('does not show a personal name', async () => {
    const program = `sh -c 'exec ${compile('names', ['-pthread'])} 60 "$0"' '+919876543210'`
    const text = expectNarrow(await beside(program, ['doctor']))
    expect(text).toContain('[mobile:')
    expect(text).not.toContain('9876543210')
  })
})

describeWith(['perf', 'cc', 'setpriv', 'root'], 'doctor as another user', () => {
  const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
  const how = { under: nobody, cwd: '/', env: { NODE_COMPILE_CACHE: '' } }

  test('says that everything is blocked, what to grant, and exits with 4', async () => {
    const { pid } = start(compile('burn'), ['60'])
    const result = await sp(['doctor', `${pid}`], how)
    expect(result.code).toBe(4)
    const text = expectNarrow(result)
    expect(text).toMatch(/^ {2}blocked +everything: cpu$/m)
    expect(text.replace(/\s+/g, ' ')).toContain(
      'grant: run as uid 0: SYS_PTRACE may be held here, but uid 65534 does not get it',
    )
    expect(text).toContain('Least for whatever it runs to work: uid 0, SYS_PTRACE')
  })

  test('asks for a capability that nobody here can have', async () => {
    const bounded = [...nobody, '--bounding-set=-all,+kill', '--inh-caps=-all']
    const { pid } = start(compile('burn'), ['60'])
    const result = await sp(['doctor', `${pid}`], { ...how, under: bounded })
    expect(result.stdout.toString()).toContain(
      'grant: add the capability SYS_PTRACE and run as uid 0',
    )
  })

  test('goes by the capabilities where nobody is there to ask the kernel', async () => {
    const { pid } = start(compile('burn'), ['60'])
    const folder = temporaryFolder()
    for (const name of ['sh', 'dirname', 'readlink', 'setpriv']) {
      fs.symlinkSync(findOnPath(name)!, path.join(folder, name))
    }
    const text = expectNarrow(await sp(['doctor', `${pid}`], { env: { PATH: folder } }))
    expect(text).toContain('neither perl nor perf is here')
    expect(text).toContain('perf is not installed here')
  })
})

describeWith(['cc'], 'doctor refuses', () => {
  test.for([
    [['doctor', '1', '2'], 2, 'SP_USAGE'],
    [['doctor', '--print-patch', 'pod'], 2, 'SP_USAGE'],
    [['doctor', '1', '--print-patch', 'helm'], 2, 'SP_USAGE'],
    [['doctor', '5000000'], 5, 'SP_TARGET_GONE'],
  ] as const)('%j', async ([args, exit, code]) => {
    const result = await sp([...args])
    expect(result.stderr).toContain(`(${code})`)
    expect(result.code).toBe(exit)
  })

  test.skipIf(missing('unshare', 'the right to unshare a PID namespace').length > 0)(
    'a PID namespace with nothing but itself, with how to share one',
    async () => {
      const under = ['unshare', '-m', '-p', '-f', '--kill-child=KILL', '--mount-proc']
      for (const args of [['doctor'], [], ['record']]) {
        const result = await sp(args, { under })
        expect(result.stderr).toContain('no process but this one can be seen')
        expect(result.stderr).toMatch(/shareProcessNamespace.*\(SP_NOT_SHARED\)/)
        expect(result.code).toBe(5)
      }
    },
  )
})

describeWith(['perf', 'cc'], 'the patch', () => {
  test('is on standard output, and nothing else is', async () => {
    const { pid } = start(compile('burn'), ['60'])
    await sleep(100)
    const { stdout, code } = await sp(['doctor', `${pid}`, '--print-patch', 'debug'])
    expect(code).toBe(0)
    expect(stdout.toString()).toMatch(/^# The least for process \d+, native code: perf, cpu\n/)
    expect(stdout.toString()).toContain('securityContext:')
  })
})
