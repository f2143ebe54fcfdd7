// The socket on which a .NET runtime answers diagnostics tools.
//
//     {TMPDIR or /tmp}/dotnet-diagnostic-{pid}-{start}-socket
//
// https://github.com/dotnet/diagnostics/blob/main/documentation/design-docs/ipc-protocol.md
//
// TMPDIR is that of the target, pid is the one that it sees itself, start is field
// 22 of its stat. The traps: the path is in the target's mount namespace, where any
// part of it may be a link that was planted; a socket's path may have 107 bytes
// only, which `/proc/PID/root` and a long TMPDIR exceed; a runtime that was killed
// leaves its socket behind, and another container's process may have the same pid;
// and in a time namespace the target's own start is not the one that we see.
//
// So the socket is pinned by a descriptor that follows no link, must belong to the
// target, and is connected to through that descriptor.

import fs from 'node:fs'
import { ProfilerError, systemCode } from '../errors.ts'
import { pinBeneath } from './open-beneath.ts'
import {
  pathOfDescriptor,
  readEnvironmentVariable,
  readStat,
  readStatus,
  rootOf,
} from './procfs.ts'

export interface DiagnosticsSocket {
  /** What to connect to, while this is open. */
  readonly path: string
  close(): void
}

/** Why there is none: each has another thing to grant. */
export type NoSocketReason =
  | 'root not readable'
  | 'no socket'
  | 'folder behind a link'
  | 'socket of another user'

export type FoundSocket =
  | { readonly socket: DiagnosticsSocket; readonly reason?: undefined }
  | { readonly socket?: undefined; readonly reason: NoSocketReason; readonly folder: string }

/**
 * Pins the socket of a process: whoever calls closes it. Connects to nothing.
 *
 * @throws {ProfilerError} `SP_TARGET_GONE`
 */
export function findDiagnosticsSocket(pid: number): FoundSocket {
  const { startTicks } = readStat(pid)
  const { uid, nspid } = readStatus(pid)
  let folder = '/tmp'
  try {
    folder = readEnvironmentVariable(pid, 'TMPDIR') || folder
    const fd = pinSocket(pid, folder, nspid, startTicks)
    if (fd === undefined) return { reason: 'no socket', folder }
    const stat = fs.fstatSync(fd)
    if (stat.isSocket() && stat.uid === uid) {
      return { socket: { path: pathOfDescriptor(fd), close: () => fs.closeSync(fd) } }
    }
    fs.closeSync(fd)
    return { reason: stat.isSocket() ? 'socket of another user' : 'no socket', folder }
  } catch (error) {
    const reason = reasonOf(error)
    if (reason === undefined) throw error
    return { reason, folder }
  }
}

function pinSocket(
  pid: number,
  folder: string,
  nspid: number,
  startTicks: number,
): number | undefined {
  const root = rootOf(pid)
  try {
    return pinBeneath(root, `${folder}/dotnet-diagnostic-${nspid}-${startTicks}-socket`)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
  }
  // In a time namespace it has another start. Of several names some are left over from earlier
  // processes of this pid, and which one lives is not to be seen.
  const name = new RegExp(`^dotnet-diagnostic-${nspid}-\\d+-socket$`)
  const others = namesIn(root, folder).filter(each => name.test(each))
  return others.length === 1 ? pinBeneath(root, `${folder}/${others[0]}`) : undefined
}

// A folder with more names is full of something else.
const maxNames = 100_000

function namesIn(root: string, path: string): string[] {
  const fd = pinBeneath(root, path)
  try {
    const folder = fs.opendirSync(pathOfDescriptor(fd))
    try {
      const names: string[] = []
      for (let entry = folder.readSync(); entry !== null; entry = folder.readSync()) {
        if (names.push(entry.name) === maxNames) break
      }
      return names
    } finally {
      folder.closeSync()
    }
  } finally {
    fs.closeSync(fd)
  }
}

function reasonOf(error: unknown): NoSocketReason | undefined {
  if (error instanceof ProfilerError) {
    return error.code === 'SP_NOT_PERMITTED' ? 'root not readable' : undefined
  }
  switch (systemCode(error)) {
    case 'EACCES':
    case 'EPERM':
      return 'root not readable'
    case 'ENOENT':
      return 'no socket'
    // What is a link cannot be opened as a folder without following it.
    case 'ENOTDIR':
    case 'ELOOP':
      return 'folder behind a link'
    default:
      return undefined
  }
}
