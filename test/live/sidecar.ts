// What the tests of files under a target share.

import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { temporaryFolder } from '../temporary.ts'

/** Our command as a sidecar runs it: it may not enter a namespace, nor open /proc/PID/map_files. */
export const asSidecar = [
  'setpriv',
  '--bounding-set=-sys_admin,-sys_chroot,-checkpoint_restore',
  '--',
]

let rounds = 100_000

/** Builds `native/library.c` with its busy function under this name; each is a build of its own. */
export function compileLibrary(name: string, flags: readonly string[] = []): string {
  const library = path.join(temporaryFolder(), 'library.so')
  const usual = ['-shared', '-fPIC', '-O1', '-fno-omit-frame-pointer']
  const defines = [`-DNAME=${name}`, `-DROUNDS=${rounds++}`]
  const source = path.join(import.meta.dirname, '../apps/native/library.c')
  execFileSync('cc', [...usual, ...defines, ...flags, '-o', library, source])
  return library
}
