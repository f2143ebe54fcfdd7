// /proc/PID/status and attr: as whom a process runs, what it may do, who keeps others out.
//
// https://man7.org/linux/man-pages/man5/proc_pid_status.5.html

import fs from 'node:fs'
import { attempt, readProc, withReason } from './proc.ts'

export interface Status {
  readonly uid: number
  readonly gid: number
  /** The pid as the process sees it itself, in its innermost PID namespace. */
  readonly nspid: number
  readonly tracerPid: number
  readonly effectiveCapabilities: bigint
  readonly permittedCapabilities: bigint
  /** What a program that it starts as root would have. */
  readonly boundingCapabilities: bigint
  readonly caughtSignals: bigint
  readonly ignoredSignals: bigint
  /** 0 no filter, 1 strict, 2 filtered. */
  readonly seccomp: number
}

/** @throws {ProfilerError} `SP_TARGET_GONE` */
export function readStatus(pid: number | 'self'): Status {
  const fields = new Map<string, string>()
  for (const line of readProc(pid, 'status', 64 * 1024)
    .toString('utf8')
    .split('\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  const number = (key: string, column: number) =>
    Number((fields.get(key) ?? '').split(/\s+/).at(column) ?? Number.NaN)
  const mask = (key: string) => BigInt(`0x${fields.get(key) ?? '0'}`)
  return {
    uid: number('Uid', 1),
    gid: number('Gid', 1),
    nspid: number(fields.has('NStgid') ? 'NStgid' : 'NSpid', -1),
    tracerPid: number('TracerPid', 0),
    effectiveCapabilities: mask('CapEff'),
    permittedCapabilities: mask('CapPrm'),
    boundingCapabilities: mask('CapBnd'),
    caughtSignals: mask('SigCgt'),
    ignoredSignals: mask('SigIgn'),
    seccomp: Number(fields.get('Seccomp') ?? 0),
  }
}

/**
 * Whether the process lets others of its user look into it: prctl(2) PR_SET_DUMPABLE, or a program with
 * capabilities of its own, takes that away. Then its files belong to root, which anybody can see.
 */
export function isDumpable(pid: number): boolean {
  const { uid: owner } = withReason(pid, () => fs.statSync(`/proc/${pid}/maps`))
  return owner === withReason(pid, () => fs.statSync(`/proc/${pid}`)).uid
}

/** What a security module calls the process; undefined where there is no such module. */
export function readSecurityLabel(pid: number | 'self'): string | undefined {
  const label = attempt(() => readProc(pid, 'attr/current', 4096).toString('utf8'))
  return label?.replace(/\0|\s+$/g, '') || undefined
}
