// Starts our own programs: the house behind the door, and the child that one
// capture is. Node's own fork, for it hands over connections.
//
// The flight recorder's perf is started here too, and not as other tools are: its
// parent is the door, which has loaded nothing that those need.
//
// They are roles of the one entry (`bin/sp-flamegraph.ts`), which may be a
// TypeScript file or a bundle: whatever was started is started again.

import { type ChildProcess, fork, spawn } from 'node:child_process'

export type Forked = ChildProcess & { readonly pid: number }

/**
 * @param env more than our own environment; a secret never goes this way
 * @returns a child with a channel; its stderr is ours, or a pipe
 */
export function forkSelf(
  role: 'house' | 'capture',
  {
    program = process.argv[1]!,
    env = {},
    stderr = 'inherit',
  }: { program?: string; env?: Record<string, string>; stderr?: 'inherit' | 'pipe' },
): Forked {
  return fork(program, [`@${role}`], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', stderr, 'ipc'],
    // As scripts/sp-flamegraph starts the command: what lives for a moment gets 4 MB.
    execArgv: ['--max-semi-space-size=4'],
  }) as Forked
}

/** A program that the kernel ends with us; it says nothing. */
export function spawnOwned(path: string, args: readonly string[]): ChildProcess {
  return spawn('setpriv', ['--pdeathsig', 'KILL', path, ...args], {
    stdio: 'ignore',
    // A Ctrl-C on the terminal is not for it.
    detached: true,
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', HOME: '/nonexistent' },
  })
}
