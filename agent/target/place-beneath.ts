// Puts files into a target's file system, for the target to read or to write,
// and takes them away again.
//
// The target owns that tree, so nothing in it is trusted: a folder is reached
// by descriptors that follow no symbolic link, what is made is made under a name
// that did not exist (O_EXCL), and it is reached by its descriptor ever after.
// The folder is ours: where the target has another uid, it may not put anything
// into it, nor see what is there; it has to know the name.

import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { pinBeneath } from './open-beneath.ts'
import { pathOfDescriptor } from './procfs.ts'

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_DIRECTORY } = fs.constants

export interface PlacedFolder {
  /** As the target's root has it: `/tmp/sp-flamegraph-71-0f3a…`. */
  readonly path: string
  /** Makes a file in it, open for reading and writing; the mode is exact, whatever our umask is. */
  create(name: string, mode: number): number
  /** Takes away the folder and what we made in it. What is gone already is no error. */
  remove(): void
}

/** A name that nobody knows beforehand, and that tells people whose it is. */
export function newPlacedName(pid: number): string {
  return `sp-flamegraph-${pid}-${randomBytes(8).toString('hex')}`
}

/**
 * Makes a new folder in a folder of the target.
 *
 * @param name without a slash
 * @throws a system error: EEXIST, EACCES, EROFS, ENOENT, ENOSPC; ENOTDIR or ELOOP for a symbolic link
 */
export function placeFolder(root: string, parent: string, name: string): PlacedFolder {
  const above = pinBeneath(root, parent)
  let folder: number | undefined
  const made: string[] = []
  try {
    const here = `${pathOfDescriptor(above)}/${name}`
    fs.mkdirSync(here, 0o700)
    try {
      // A folder that somebody put there in between would be another one, of another owner.
      folder = fs.openSync(here, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      if (fs.fstatSync(folder).uid !== process.geteuid?.()) {
        throw Object.assign(new Error(`${parent}/${name} was replaced`), { code: 'EEXIST' })
      }
      // Others may pass through it to a name that they know, and not list it.
      fs.fchmodSync(folder, 0o711)
    } catch (error) {
      fs.rmdirSync(here)
      throw error
    }
  } catch (error) {
    if (folder !== undefined) fs.closeSync(folder)
    fs.closeSync(above)
    throw error
  }
  const inside = folder
  let isGone = false
  return {
    path: `${parent === '/' ? '' : parent}/${name}`,
    create(file, mode) {
      const path = `${pathOfDescriptor(inside)}/${file}`
      const fd = fs.openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
      made.push(file)
      fs.fchmodSync(fd, mode)
      return fd
    },
    remove() {
      if (isGone) return
      isGone = true
      for (const file of made) attempt(() => fs.unlinkSync(`${pathOfDescriptor(inside)}/${file}`))
      attempt(() => fs.rmdirSync(`${pathOfDescriptor(above)}/${name}`))
      fs.closeSync(inside)
      fs.closeSync(above)
    },
  }
}

/** The target may have taken away itself what we want gone. */
function attempt(remove: () => void): void {
  try {
    remove()
  } catch {
    // Gone, or its file system is: there is nothing left that we could do.
  }
}
