// /proc/PID/mountinfo: what is mounted where, as a process sees it.
//
// https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html

import { attempt, readProc } from './proc.ts'

export interface Mount {
  /** Where it is mounted, as the target sees it. */
  readonly path: string
  readonly type: string
  readonly isReadOnly: boolean
  readonly isNoExec: boolean
}

/** The mount that holds a path in the target's mount namespace; undefined if that may not be read. */
export function readMount(pid: number, path: string): Mount | undefined {
  let best: Mount | undefined
  for (const line of readProc(pid, 'mountinfo', 4 << 20)
    .toString('utf8')
    .split('\n')) {
    // https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
    const [fields, rest] = line.split(' - ') as [string, string | undefined]
    const [, , , , where, options] = fields.split(' ')
    if (rest === undefined || where === undefined || options === undefined) continue
    const at = where.replace(/\\(\d{3})/g, (_, octal) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    )
    const holds = at === '/' || path === at || path.startsWith(`${at}/`)
    // Of two on the same place the later one hides the earlier.
    if (!holds || (best !== undefined && at.length < best.path.length)) continue
    const [type = '', , superOptions = ''] = rest.split(' ')
    const flags = new Set([...options.split(','), ...superOptions.split(',')])
    best = { path: at, type, isReadOnly: flags.has('ro'), isNoExec: flags.has('noexec') }
  }
  return best
}

/** Whether `/proc` was mounted to hide the processes of other users (`hidepid`). */
export function hidesOtherUsers(): boolean {
  const mounts = attempt(() => readProc('self', 'mountinfo', 4 << 20).toString('utf8')) ?? ''
  return mounts
    .split('\n')
    .some(line => line.split(' ')[4] === '/proc' && /\bhidepid=(?!0|off)/.test(line))
}
