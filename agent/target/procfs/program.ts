// What a process runs, and how it was started: its executable, arguments, environment, container.

import fs from 'node:fs'
import { readProc, withReason } from './proc.ts'

/** The arguments as the process shows them: for fingerprints, never to be published. */
export function readArguments(pid: number): string[] {
  const text = readProc(pid, 'cmdline', 64 * 1024).toString('utf8')
  return text.split('\0').filter(argument => argument !== '')
}

/** One variable of the environment that the process was started with. */
export function readEnvironmentVariable(pid: number, name: string): string | undefined {
  const entries = readProc(pid, 'environ', 1 << 20)
    .toString('utf8')
    .split('\0')
  return entries.find(entry => entry.startsWith(`${name}=`))?.slice(name.length + 1)
}

/** The executable's path as the target's mount namespace has it, without ` (deleted)`. */
export function readExecutable(pid: number): string {
  return withReason(pid, () => fs.readlinkSync(`/proc/${pid}/exe`)).replace(/ \(deleted\)$/, '')
}

/** Opens the executable itself, even if its path is gone or holds another file now. */
export function openExecutable(pid: number): number {
  return withReason(pid, () => fs.openSync(`/proc/${pid}/exe`, fs.constants.O_RDONLY))
}

/** The 64 hex digits that container runtimes put into the cgroup's path. */
export function readContainerId(pid: number): string | undefined {
  const text = readProc(pid, 'cgroup', 64 * 1024).toString('utf8')
  return /[/-]([0-9a-f]{64})(?:\.scope)?(?:\/|$)/m.exec(text)?.[1]
}
