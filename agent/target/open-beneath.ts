// Opens a file of the target without ever leaving the target.
//
// The target writes its own file system, so any part of a path may be a
// symbolic link that it planted: through /proc/PID/root an absolute link leads
// to *our* files, and a privileged sidecar that follows it is an escape. Node
// has no openat2(RESOLVE_NO_SYMLINKS), so the path is walked: each folder is
// opened with O_NOFOLLOW, and the next name is looked up from that descriptor.

import fs from 'node:fs'
import { O_PATH, pathOfDescriptor } from './procfs.ts'

const { O_RDONLY, O_NOFOLLOW, O_DIRECTORY } = fs.constants

/**
 * Opens a regular file below `root` for reading.
 *
 * @throws a system error: ELOOP for a symbolic link, EINVAL for what is no regular file, ENOENT, EACCES
 */
export function openBeneath(root: string, path: string): number {
  return openPinned(pinBeneath(root, path), path)
}

/**
 * An O_PATH descriptor of whatever is at a path below `root`: a file, a folder, a socket, a symbolic
 * link itself, but nothing that is behind one.
 *
 * @throws a system error: ELOOP or ENOTDIR for a symbolic link on the way, EINVAL, ENOENT, EACCES
 */
export function pinBeneath(root: string, path: string): number {
  const names = path.split('/').filter(name => name !== '' && name !== '.')
  if (names.includes('..') || path.includes('\0')) throw refusal('EINVAL', path)
  let at = fs.openSync(root, O_PATH | O_DIRECTORY)
  try {
    for (const [index, name] of names.entries()) {
      const folder = index < names.length - 1 ? O_DIRECTORY : 0
      const next = fs.openSync(`${pathOfDescriptor(at)}/${name}`, O_PATH | O_NOFOLLOW | folder)
      fs.closeSync(at)
      at = next
    }
  } catch (error) {
    fs.closeSync(at)
    throw error
  }
  return at
}

/**
 * Opens for reading what an O_PATH descriptor names, if that is a regular file, and closes the descriptor.
 *
 * @param path for the error
 */
export function openPinned(pinned: number, path: string): number {
  try {
    const stat = fs.fstatSync(pinned)
    if (!stat.isFile()) throw refusal(stat.isSymbolicLink() ? 'ELOOP' : 'EINVAL', path)
    // The descriptor is pinned to this inode: what is opened is what was looked at.
    return fs.openSync(pathOfDescriptor(pinned), O_RDONLY)
  } finally {
    fs.closeSync(pinned)
  }
}

function refusal(code: 'ELOOP' | 'EINVAL', path: string): NodeJS.ErrnoException {
  const what = code === 'ELOOP' ? 'a symbolic link' : 'not a regular file'
  return Object.assign(new Error(`${path} is ${what}`), { code })
}
