// Whom: what runs here, and which process is meant when none is named. In a PID
// namespace, so that what else this machine does is not seen.

import { expect, test } from 'vitest'
import { compile, describeWith, missing } from '../apps/apps.ts'
import { linesOf, type Result, readPublished, sp } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

const needed = ['perf', 'cc', 'setpriv', 'unshare', 'the right to unshare a PID namespace']

/** The command with only these programs beside it: the shell is pid 1, they are 2, 3 and so on. */
function beside(programs: readonly string[], args: readonly string[], how = '"$@"', input = '') {
  const others = programs.map(program => `${program} 60 & `).join('')
  const namespace = ['unshare', '-m', '-p', '-f', '--kill-child=KILL', '--mount-proc']
  const under = [...namespace, 'sh', '-c', `${others} sleep 0.2; ${how}`, 'sh']
  return sp(args, { under, input })
}

function record(...args: readonly string[]): string[] {
  return ['record', '-d', '1', '-F', '499', `--to=file:${temporaryFolder()}`, ...args]
}

function text({ stdout, stderr }: Result): string {
  return `${stdout}${stderr}`
}

describeWith(needed, 'without a pid', () => {
  test('the only busy process is taken, and said', async () => {
    const result = await beside([compile('burn')], record('--json'))
    const { folded, lines } = readPublished(result)
    expect(folded.share('burn_inner')).toBeGreaterThan(0.9)
    expect(lines[0]).toMatchObject({
      state: 'target',
      message: expect.stringMatching(
        /^Taking process 2 \(burn\), the only busy one: \d+ % of a core$/,
      ),
    })
  })

  test('several are listed, the busiest first, and a choice is asked for', async () => {
    const result = await beside([compile('burn'), compile('shares')], record())
    expect(result.code).toBe(2)
    expect(result.stdout.toString().match(/^Detected: .*$/gm)).toHaveLength(2)
    expect(result.stdout.toString()).toContain('PID 2, burn,')
    expect(result.stdout.toString()).toContain('PID 3, shares,')
    expect(result.stderr).toContain('2 processes are busy, and none was named')
    expect(result.stderr).toContain('(SP_TARGET_AMBIGUOUS)')
  })

  test('several are listed as JSON too', async () => {
    const result = await beside([compile('burn'), compile('shares')], record('--json'))
    const lines = linesOf(result)
    expect(lines[0]!.targets!.map(({ comm }) => comm).sort()).toEqual(['burn', 'shares'])
    expect(lines[1]).toMatchObject({ error: { code: 'SP_TARGET_AMBIGUOUS' } })
  })

  test.skipIf(missing('script').length > 0)('a person at a terminal is asked', async () => {
    const inTerminal = 'script -qec "$*" /dev/null'
    const programs = [compile('burn'), compile('shares')]
    const result = await beside(programs, record(), inTerminal, '3\n')
    expect(text(result)).toContain('Which PID?')
    expect(text(result)).toMatch(/Published: file:/)
    expect(text(result)).toContain('parse')
  })

  test('nothing busy is no reason to take something', async () => {
    const result = await beside(['sleep', 'sleep'], record())
    expect(result.code).toBe(2)
    expect(result.stderr).toContain('no process is busy, and none was named')
  })
})

describeWith(needed, 'a pid that only starts others', () => {
  test('is looked through to its busy one, and said', async () => {
    const result = await beside([compile('burn')], record('1', '--json'))
    const { folded, lines, receipt } = readPublished(result)
    const words =
      /^Process 1 \(sh\) is idle: taking its busiest descendant 2 \(burn\), \d+ % of a core\.$/
    expect(folded.share('burn_inner')).toBeGreaterThan(0.9)
    expect(lines[0]).toMatchObject({ state: 'target', message: expect.stringMatching(words) })
    expect(receipt.record.target.pid).toBe(2)
    expect(receipt.record.remarks[0]).toMatch(words)
  })

  test('is looked through to the busiest of those that are alike, where nobody can be asked', async () => {
    const burn = compile('burn')
    const result = await beside([burn, burn], record('1'))
    expect(result.stderr).toMatch(
      /taking its busiest descendant [23] \(burn\), \d+ % of a core, one of 2 busy ones that are alike/,
    )
    expect(result.stdout.toString()).toContain('Published: file:')
  })

  test('is asked about, where those below it are different', async () => {
    const result = await beside([compile('burn'), compile('shares')], record('1'))
    expect(result.code).toBe(2)
    expect(result.stdout.toString().match(/^Detected: .*$/gm)).toHaveLength(2)
    expect(result.stderr).toContain(
      'process 1 (sh) is idle, and 2 different ones below it are busy',
    )
    expect(result.stderr).toContain('(SP_TARGET_AMBIGUOUS)')
  })

  test.skipIf(missing('script').length > 0)('lets a person at a terminal choose', async () => {
    const burn = compile('burn')
    const inTerminal = 'script -qec "$*" /dev/null'
    const result = await beside([burn, burn], record('1'), inTerminal, '3\n')
    expect(text(result)).toContain('Which PID?')
    expect(text(result)).toMatch(/Sampling process 3 /)
  })
})

describeWith(needed, 'the command alone', () => {
  test('shows what runs here and what to type', async () => {
    const result = await beside([compile('burn')], [])
    expect(result.code).toBe(0)
    const words = result.stdout.toString()
    expect(words).toMatch(
      /^Detected: native code \S+ \(PID 2, burn, \d+ % of a core, glibc, under 1 \(sh\)\)$/m,
    )
    expect(words).toMatch(/^ {2}sp-flamegraph record 2 --duration 30 +# perf at 99 Hz$/m)
    expect(words).toMatch(
      /^ {2}sp-flamegraph record 2 --mode off-cpu +# or, where its threads wait/m,
    )
    expect(words).toMatch(/^Symbols: the target's own files/m)
    expect(words).toMatch(/^Output: file:\/\S+\/flamegraphs\/incidents\/INC-\d{8}-\d{4}\//m)
  })

  test('shows all as JSON', async () => {
    const result = await beside([compile('burn'), 'sleep'], ['--json'])
    const { targets } = linesOf(result)[0]!
    expect(targets![0]).toMatchObject({ pid: 2, comm: 'burn', tool: 'perf', libc: 'glibc' })
    expect(targets).toContainEqual(expect.objectContaining({ pid: 1, worker: 2 }))
    expect(targets!.map(({ comm }) => comm).sort()).toEqual(['burn', 'sh', 'sleep'])
  })

  test('suggests what has worked most, and lives in another container, where nothing is busy', async () => {
    const work = 'n=0; while [ $n -lt 100000 ]; do n=$((n + 1)); done; exec sleep 60'
    const worked = `unshare -m sh -c '${work}'`
    const result = await beside(['sleep', 'unshare -m sleep', worked], [], 'sleep 3; "$@"')
    const words = result.stdout.toString()
    expect(words.match(/^Detected: .*?PID \d+/gm)!.map(line => line.at(-1))).toEqual(['4', '3'])
    expect(words).toMatch(/^ {2}sp-flamegraph record 4 --duration 30 /m)
  })

  test('says that nothing is shared where its own shell is all there is', async () => {
    const result = await beside([], ['--json'], '"$@"; exit $?')
    expect(result.code).toBe(5)
    expect(linesOf(result)).toMatchObject([{ error: { code: 'SP_NOT_SHARED' } }])
    expect(result.stderr).toContain('no process but this one and its shell can be seen')
    expect(result.stderr).toContain('--target=CONTAINER')
  })

  test('does not show a personal name, nor let one reach the terminal raw', async () => {
    const program = compile('names', ['-pthread'])
    const named = (name: string) => `sh -c 'exec ${program} 60 "$0"' '${name}'`
    // `sh -c` takes what stands behind its script for $0, so the seconds that follow do no harm.
    const result = await beside([named('+919876543210'), named('a\u001b[2J;b')], [])
    const words = result.stdout.toString()
    expect(words).toContain('[mobile:')
    expect(words).toMatch(/PID \d, a[^,]*;b,/)
    expect(words).not.toMatch(/9876543210|\x1b/)
  })
})
