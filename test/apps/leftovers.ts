// What a program leaves in /tmp when it is killed, as ours are: it would have removed it itself.

import fs from 'node:fs'
import path from 'node:path'

/** Removes it. @param pid as the program sees it itself */
export function removeLeftovers(pid: number): void {
  const isIts = new RegExp(
    `^(?:perf-${pid}\\.map|jit-${pid}\\.dump|\\.java_pid${pid}|(?:dotnet-diagnostic|clr-debug-pipe)-${pid}-.*)$`,
  )
  for (const name of fs.readdirSync('/tmp')) {
    if (isIts.test(name)) fs.rmSync(path.join('/tmp', name), { force: true })
    if (name.startsWith('hsperfdata_')) removeJvmData(path.join('/tmp', name), pid)
  }
}

/** With the folder, where no other JVM of that user runs. */
function removeJvmData(folder: string, pid: number): void {
  try {
    fs.rmSync(path.join(folder, `${pid}`), { force: true })
    fs.rmdirSync(folder)
  } catch {
    // It is another one's, or not empty.
  }
}
