// Every busy process at once, in a PID namespace of its own, so that what else
// this machine does is not captured.

import os from 'node:os'
import { expect, test } from 'vitest'
import { compile, describeWith } from '../apps/apps.ts'
import { type Line, linesOf, sp } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

const needed = ['perf', 'cc', 'setpriv', 'unshare', 'the right to unshare a PID namespace']

/** These programs run, and the command beside them; what is done with it is the shell's. */
async function recordAll(programs: readonly string[], args: readonly string[], how = '"$@"') {
  const others = programs.map(program => `${program} 60 & `).join('')
  const namespace = ['unshare', '-m', '-p', '-f', '--kill-child=KILL', '--mount-proc']
  const under = [...namespace, 'sh', '-c', `${others} sleep 0.2; ${how}`, 'sh']
  const to = `--to=file:${temporaryFolder()}`
  const result = await sp(['record', '--all', '--json', to, ...args], { under })
  const lines = linesOf(result)
  return { result, lines, receipts: lines.flatMap(({ receipt }) => receipt ?? []) }
}

function headlines(receipts: readonly Line['receipt'][]): string {
  return receipts.map(({ verdict }) => verdict.headline).join('\n')
}

describeWith(needed, 'record --all', () => {
  test('captures each busy process, under one incident', async () => {
    const programs = [compile('burn'), compile('shares'), 'sleep']
    const { result, receipts } = await recordAll(programs, ['-d', '2', '-F', '499'])
    expect(result.code).toBe(0)
    expect(receipts).toHaveLength(2)
    expect(headlines(receipts)).toContain('burn_inner')
    expect(receipts.map(({ record }) => record.target.comm).sort()).toEqual(['burn', 'shares'])
    expect(new Set(receipts.map(({ record }) => record.incident)).size).toBe(1)
    expect(new Set(receipts.map(({ place }) => place)).size).toBe(2)
  })

  test('keeps what it has when it is stopped, and begins nothing more', async () => {
    // When all that may run at once are sampled for a while.
    const slots = os.availableParallelism()
    const sampling = `[ "$(grep -c Sampling out)" -ge ${slots} ]`
    const stop = `cd ${temporaryFolder()}; "$@" >out & until ${sampling}; do sleep 0.2; done
      sleep 4; kill -TERM $!; wait $!; code=$?; cat out; exit $code`
    const programs = Array.from({ length: slots + 1 }, () => compile('burn'))
    const { result, lines, receipts } = await recordAll(programs, ['-d', '50'], stop)
    expect(receipts).toHaveLength(slots)
    for (const { record } of receipts) expect(record.remarks[0]).toMatch(/^Stopped after/)
    expect(result.code).toBe(7)
    expect(lines.at(-1)).toMatchObject({
      message: `${slots} of ${slots + 1} captures are published`,
    })
  })

  test('says what one of them failed with, and goes on', async () => {
    const { result, lines } = await recordAll(
      [compile('burn')],
      ['-d', '500ms', '--tool', 'py-spy'],
    )
    expect(lines).toContainEqual(
      expect.objectContaining({ error: expect.objectContaining({ code: 'SP_TOOL_UNSUITABLE' }) }),
    )
    expect(result.code).toBe(2)
  })

  test('is refused where nothing is busy', async () => {
    const { result } = await recordAll(['sleep'], [])
    expect(result.stderr).toContain('no process is busy')
    expect(result.code).toBe(2)
  })
})

test.for([[['record', '--all', '1']], [['record', '--all', '-o', 'flame.svg']]])(
  '%j is wrong usage',
  async ([args]) => {
    const result = await sp(args!)
    expect(result.stderr).toContain('(SP_USAGE)')
    expect(result.code).toBe(2)
  },
)
