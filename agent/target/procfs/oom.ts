// /proc/self/oom_score_adj: whom the kernel ends first where memory runs out.

import fs from 'node:fs'
import { attempt } from './proc.ts'

// The most there is, and everybody may raise his own.
const first = '1000'

/**
 * Where a limit of memory is reached, the kernel ends us and the tools that we start before anybody
 * else: not the daemon, and not the application in whose pod we are.
 */
export function beEndedFirst(): void {
  attempt(() => fs.writeFileSync('/proc/self/oom_score_adj', first))
}
