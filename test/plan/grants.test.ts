// The table of docs/grants.md is what the code foretells.

import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { privilegesWith } from '../../agent/plan/grants.ts'
import { withFacts } from '../../agent/target/facts.ts'
import { everything } from '../privileges.ts'
import { target, tiers } from './tiers.ts'

const page = path.resolve(import.meta.dirname, '../../docs/grants.md')
const columns = [
  'we are',
  'granted',
  'seccomp',
  'files',
  'memory',
  'signal',
  'perf',
  'kernel',
  'kernel names',
]

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

function table(): string {
  const ordinary = { ...target, permittedCapabilities: 0n, isDumpable: true }
  const now = {
    ...everything,
    confinement: { ...everything.confinement, hidesKernelNames: true },
  }
  const rows = tiers.map(tier =>
    withFacts(process.pid, own => {
      const can = privilegesWith(tier, { ...own, ...ordinary }, now)
      const isKernel = can.answers.perfKernel === 'allowed'
      const cells = [
        can.canReadFiles,
        can.canAttach,
        can.canSignal,
        can.answers.perfUser === 'allowed',
        isKernel,
        isKernel && !can.confinement.hidesKernelNames,
      ]
      return row([
        tier.uid === target.uid ? `uid ${tier.uid}, as the target` : `uid ${tier.uid}`,
        tier.capabilities.join(', ') || 'nothing',
        tier.seccomp === 'runtime' ? 'RuntimeDefault' : 'Unconfined',
        ...cells.map(isAllowed => (isAllowed ? 'yes' : '–')),
      ])
    }),
  )
  return [row(columns), row(columns.map(() => '---')), ...rows].join('\n')
}

test('the table of docs/grants.md is what the code foretells', () => {
  const text = fs.readFileSync(page, 'utf8')
  const wanted = text.replace(/(<!-- table: .*-->\n)[\s\S]*(<!-- end -->)/, `$1${table()}\n$2`)
  if (process.env['BLESS'] === '1') fs.writeFileSync(page, wanted)
  else expect(text).toBe(wanted)
})
