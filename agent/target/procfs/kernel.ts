// What the kernel says of itself: its symbols and its settings.

import fs from 'node:fs'

/** All kernel symbols, or undefined where the file cannot be read. */
export function openKallsyms(): number | undefined {
  try {
    return fs.openSync('/proc/kallsyms', fs.constants.O_RDONLY)
  } catch {
    return undefined
  }
}

/** A kernel setting such as `perf_event_paranoid`, or undefined if this kernel has none. */
export function readKernelSetting(name: string): number | undefined {
  try {
    return Number(fs.readFileSync(`/proc/sys/kernel/${name}`, 'utf8').trim())
  } catch {
    return undefined
  }
}

/** Which start of the kernel this is: a pid and its start time name a process only within one. */
export function readBootId(): string {
  return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
}
