// A /tmp from which nothing may be run, as some clusters mount it.

import { execFileSync } from 'node:child_process'
import { openFolder } from './pods.ts'

export function mountNoexec(): { readonly folder: string; unmount(): void } {
  const folder = openFolder()
  const options = 'size=64m,mode=1777,noexec,nosuid,nodev'
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'sp-noexec', folder])
  return { folder, unmount: () => execFileSync('umount', ['--lazy', folder]) }
}
