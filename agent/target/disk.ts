// How much room there is for files.

import fs from 'node:fs'

/**
 * @returns Infinity where the file system has no blocks and so does not say, as some overlays;
 * undefined where there is no such folder: that is said when it is used
 */
export function freeBytes(folder: string): number | undefined {
  try {
    const { bavail, bsize, blocks } = fs.statfsSync(folder)
    return blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize
  } catch {
    return undefined
  }
}
