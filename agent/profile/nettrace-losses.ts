// What the runtime of a NetTrace stream could not write, by its sequence numbers.
//
// Each thread numbers its events from 1, those too for which there was no room.
// So a gap within a thread is a loss, and so is a sequence point that knows of a
// higher number. A number that goes back is another thread with the same id.

// More threads than Linux has pids by default (2^22 at most, 32,768 as a rule).
const maxThreads = 1 << 20

export class NettraceLosses {
  readonly #last = new Map<number, number>()
  readonly #samplers = new Set<number>()
  readonly #lost = new Map<number, number>()

  /** An event of a thread; `isSample` if it samples others. */
  event(thread: number, sequence: number, isSample: boolean): void {
    if (isSample) this.#samplers.add(thread)
    this.#see(thread, sequence, 1)
  }

  /** Takes an SPBlock; false if it is damaged. */
  sequencePoint(block: Buffer): boolean {
    if (block.length < 12) return false
    const count = block.readUInt32LE(8)
    if (12 + count * 12 > block.length) return false
    for (let at = 12; at < 12 + count * 12; at += 12) {
      // The number is that of the last event, so nothing but a gap makes it a new one.
      this.#see(Number(block.readBigUInt64LE(at)), block.readUInt32LE(at + 8), 0)
    }
    return true
  }

  #see(thread: number, sequence: number, step: 0 | 1): void {
    const last = this.#last.get(thread)
    if (last === undefined && this.#last.size >= maxThreads) return
    // They wrap at 2^32: what is more than half of that ahead is behind.
    const ahead = (sequence - (last ?? 0)) >>> 0
    if (ahead >= 2 ** 31) {
      if (step === 1) this.#last.set(thread, sequence)
      return
    }
    this.#last.set(thread, sequence)
    if (ahead > step) this.#lost.set(thread, (this.#lost.get(thread) ?? 0) + ahead - step)
  }

  /** Events that are missing: those of threads that sample, and all others. */
  get lost(): { readonly samples: number; readonly others: number } {
    let samples = 0
    let others = 0
    for (const [thread, count] of this.#lost) {
      if (this.#samplers.has(thread)) samples += count
      else others += count
    }
    return { samples, others }
  }
}
