// What `doctor` shows on a terminal: what works first, then what would, and the
// one thing to grant for it. No line is wider than 100 columns.

import type { Finding, Status } from '../plan/diagnosis.ts'
import type { Grant } from '../plan/grants.ts'
import type { Privileges } from '../runtimes/runtime.ts'
import type { Patient } from '../session/examine.ts'
import type { Terminal } from './terminal.ts'

const width = 100
const order: readonly Status[] = ['works', 'degraded', 'blocked']

export function printUs(us: Privileges, notes: readonly string[], terminal: Terminal): void {
  const capabilities = us.capabilities.size === 0 ? 'no capability' : [...us.capabilities].join(' ')
  const filter = us.confinement.isFiltered ? 'filtered by seccomp' : 'no seccomp filter'
  print(`We are uid ${us.uid}, gid ${us.gid}: ${capabilities}; ${filter}`, 2, terminal)
  for (const note of notes) print(`note: ${note}`, 2, terminal)
}

export function printDiagnosis(patient: Patient, terminal: Terminal): void {
  const { pid, comm, runtime, version, uid, cpuShare, findings, notes, least } = patient
  const cpu = cpuShare === undefined ? '' : `, ${Math.round(cpuShare * 100)} % of a core`
  const what = `${runtime} ${version}`.trim()
  terminal.print('')
  print(`Process ${pid} (${comm}): ${what}, uid ${uid}${cpu}`, 2, terminal)
  for (const { status, who, obstacles } of groups(findings)) {
    print(`  ${status.padEnd(9)} ${who}`, 12, terminal)
    for (const { what, grant } of obstacles) {
      print(`            ${what}`, 14, terminal)
      print(`            grant: ${grant}`, 14, terminal)
    }
  }
  for (const note of notes) print(`  note: ${note}`, 4, terminal)
  if (least === undefined || least.isHeld) return
  print(`  Least for ${least.strategy} to work: ${grantWords(least.enough)}`, 4, terminal)
  if (grantWords(least.full) !== grantWords(least.enough)) {
    print(`  and as well as it can: ${grantWords(least.full)}`, 4, terminal)
  }
  print(`  As YAML: sp-flamegraph doctor ${pid} --print-patch pod`, 4, terminal)
}

/** As a person would say it: `uid 0, SYS_PTRACE, seccomp RuntimeDefault`. */
export function grantWords({ uid, gid, capabilities, seccomp }: Grant): string {
  const who = gid === uid ? `uid ${uid}` : `uid ${uid} and gid ${gid}`
  const names = capabilities.length === 0 ? 'no capability' : capabilities.join(' ')
  return `${who}, ${names}, seccomp ${seccomp === 'runtime' ? 'RuntimeDefault' : 'Unconfined'}`
}

interface Group {
  readonly status: Status
  readonly who: string
  readonly obstacles: Finding['obstacles']
}

/** Modes of one strategy that stand alike are one entry. */
function groups(findings: readonly Finding[]): Group[] {
  const byLook = new Map<string, Finding[]>()
  for (const finding of findings) {
    const { status, strategy, obstacles } = finding
    const look = JSON.stringify([status, strategy, obstacles])
    byLook.set(look, [...(byLook.get(look) ?? []), finding])
  }
  return [...byLook.values()]
    .map(alike => {
      const { status, strategy, obstacles } = alike[0]!
      const names = alike.map(({ mode }) => mode).join(', ')
      return { status, who: `${strategy ?? 'everything'}: ${names}`, obstacles }
    })
    .sort((a, b) => order.indexOf(a.status) - order.indexOf(b.status))
}

/** Breaks a line at spaces; what follows is indented. */
function print(line: string, indent: number, terminal: Terminal): void {
  let rest = line
  while (rest.length > width) {
    const at = rest.lastIndexOf(' ', width)
    if (at <= indent) break
    terminal.print(rest.slice(0, at))
    rest = ' '.repeat(indent) + rest.slice(at + 1)
  }
  terminal.print(rest)
}
