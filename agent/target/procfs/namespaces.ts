// /proc/PID/ns and root: where a process lives, and the way into its file system.

import fs from 'node:fs'
import { attempt, withReason } from './proc.ts'

/**
 * Whether the target and we are in the same namespace of this kind. In another network its ports and
 * abstract sockets are not ours; in another PID namespace the numbers differ.
 *
 * @throws {ProfilerError} `SP_NOT_PERMITTED`, `SP_TARGET_GONE`
 */
export function sharesNamespace(pid: number, kind: 'net' | 'pid' | 'mnt'): boolean {
  const namespace = (whose: number | 'self') => fs.readlinkSync(`/proc/${whose}/ns/${kind}`)
  return withReason(pid, () => namespace(pid)) === namespace('self')
}

/** The mount namespace that it lives in; undefined where that may not be read. */
export function readMountNamespace(pid: number | 'self'): string | undefined {
  return attempt(() => fs.readlinkSync(`/proc/${pid}/ns/mnt`))
}

/** Where the root of the target's mount namespace can be walked from. */
export function rootOf(pid: number): string {
  return `/proc/${pid}/root/`
}
