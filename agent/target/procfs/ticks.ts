// How often the kernel's timer ticks, which nothing in /proc says and everything shows.

import fs from 'node:fs'
import { attempt } from './proc.ts'

/**
 * How often a second the kernel's timer ticks (CONFIG_HZ), or undefined if that cannot be told.
 *
 * The configuration is rarely visible in a container, so it is measured: the kernel stamps an inode of
 * /proc with the time of the last tick, and fresh inodes show every tick. Takes up to 0.1 s.
 */
export function measureTickHertz(): number | undefined {
  const stamps = new Set<bigint>()
  const until = performance.now() + tickProbeMs
  while (performance.now() < until && stamps.size < ticksProbed) {
    const fd = fs.openSync('/dev/null', fs.constants.O_RDONLY)
    const name = `/proc/self/fdinfo/${fd}`
    stamps.add(fs.statSync(name, { bigint: true }).mtimeNs)
    fs.closeSync(fd)
    // A look at it while it is closed makes the kernel forget its inode.
    attempt(() => fs.statSync(name))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, tickProbeStepMs)
  }
  const sorted = [...stamps].sort((a, b) => (a < b ? -1 : 1))
  // The smallest distance is one tick: a busy machine lets us miss some, and then it is a multiple.
  const distances = sorted.slice(1).map((stamp, index) => Number(stamp - sorted[index]!))
  const tickNs = Math.min(...distances)
  return tickRates.find(hertz => Math.abs(tickNs * hertz - 1e9) < 0.02 * 1e9)
}

// What CONFIG_HZ can be on the machines that we run on.
const tickRates = [100, 250, 300, 1000]
// Ten ticks of the slowest kernel; of the others as many are seen sooner.
const tickProbeMs = 100
const ticksProbed = 10

// A third of the shortest tick, so that none is missed while we run.
const tickProbeStepMs = 0.3
