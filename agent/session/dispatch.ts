// Runs several captures side by side, within what this sidecar may use.
//
// The trap: some tools share one thing that only one of them can have at a time,
// such as a port. Two jobs that hold the same words never run together; one that
// has to wait lets those behind it go first, so that nothing idles for it.

export interface Job<Result> {
  /** What it needs for itself alone. */
  readonly exclusive: readonly string[]
  run(): Promise<Result>
}

/**
 * Runs every job, at most `slots` at once.
 *
 * @param stop once aborted no further job begins; those that run are theirs to end
 * @returns how each ended, in the order of the jobs; undefined for one that never began
 */
export async function dispatch<Result>(
  jobs: readonly Job<Result>[],
  slots: number,
  stop: AbortSignal,
): Promise<(PromiseSettledResult<Result> | undefined)[]> {
  const results: (PromiseSettledResult<Result> | undefined)[] = jobs.map(() => undefined)
  const waiting = new Set(jobs.keys())
  const running = new Map<number, Promise<void>>()
  const held = new Set<string>()
  const begin = (index: number) => {
    const { exclusive, run } = jobs[index]!
    waiting.delete(index)
    for (const each of exclusive) held.add(each)
    const end = (result: PromiseSettledResult<Result>) => {
      results[index] = result
      for (const each of exclusive) held.delete(each)
      running.delete(index)
    }
    running.set(
      index,
      run().then(
        value => end({ status: 'fulfilled', value }),
        reason => end({ status: 'rejected', reason }),
      ),
    )
  }
  while (true) {
    for (const index of waiting) {
      if (stop.aborted || running.size >= slots) break
      if (!jobs[index]!.exclusive.some(each => held.has(each))) begin(index)
    }
    if (running.size === 0) return results
    await Promise.race(running.values())
  }
}
