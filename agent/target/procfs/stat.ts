// /proc/PID/stat: what a process is called, whose child it is, what it has used.
//
// https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
//
// The trap: the second field is the name, in parentheses, and may hold both of them
// and blanks.

import fs from 'node:fs'
import { readProc } from './proc.ts'

export interface Stat {
  readonly pid: number
  /** Ends in `…` where the kernel may have cut it: redaction has to know that more may follow. */
  readonly comm: string
  /** One letter: R, S, D, Z, T, t, X, I. */
  readonly state: string
  readonly parentPid: number
  /** Runs no program of its own: kworker, ksoftirqd and their like. */
  readonly isKernelThread: boolean
  /** User and system time of all its threads, living and dead. */
  readonly cpuTicks: number
  readonly threads: number
  /** Since boot. Together with the pid it names one process for good. */
  readonly startTicks: number
  readonly residentBytes: number
  /** Where its stack began at its last exec: a fork leaves it there. 0 where that may not be read. */
  readonly stackStart: number
}

/** USER_HZ: 100 on every Linux that Node runs on, whatever CONFIG_HZ is. */
export const ticksPerSecond = 100

// TASK_COMM_LEN of the kernel is 16, with the NUL.
const maxCommBytes = 15
// PF_KTHREAD of the kernel's sched.h, in the flags of stat.
const kernelThreadFlag = 0x0020_0000

// Of every architecture that there is an image for.
const pageBytes = 4096

/** @throws {ProfilerError} `SP_TARGET_GONE` */
export function readStat(pid: number): Stat {
  const bytes = readProc(pid, 'stat', 4096)
  // The name stands in parentheses and may hold any byte, parentheses too.
  const end = bytes.lastIndexOf(')')
  const name = bytes.subarray(bytes.indexOf('(') + 1, end)
  const fields = bytes.toString('latin1', end + 2).split(' ')
  return {
    pid,
    comm: `${name}${name.length === maxCommBytes ? '…' : ''}`,
    state: fields[0]!,
    parentPid: Number(fields[1]),
    isKernelThread: (Number(fields[6]) & kernelThreadFlag) !== 0,
    cpuTicks: Number(fields[11]) + Number(fields[12]),
    threads: Number(fields[17]),
    startTicks: Number(fields[19]),
    residentBytes: Number(fields[21]) * pageBytes,
    stackStart: Number(fields[25]),
  }
}

export function listPids(): number[] {
  return fs
    .readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
}

/** Seconds since boot, on the clock of `startTicks`. */
export function readUptime(): number {
  return Number(fs.readFileSync('/proc/uptime', 'latin1').split(' ')[0])
}
