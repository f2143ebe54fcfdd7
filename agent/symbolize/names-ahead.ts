// Names for a recording that is still being read, from a thread beside it.
//
//     here                               naming-thread.ts
//     see: addresses, as they come    →  reads their modules' symbols, looks them up
//     of:  all addresses of all       →  looks up what is left
//                                     ←  answers, each distinct one once
//
// A small recording has no thread: it is named sooner than one has started.
//
// For files that were recorded: what a living target maps is opened where its
// mapping is seen, before it may be gone.

import { Worker } from 'node:worker_threads'
import { ProfilerError } from '../errors.ts'
import type { Address, Module, Profile } from '../profile/profile.ts'
import { type Answers, type AskedModule, answerAll, symbolsOf } from './answers.ts'
import { lookedUp } from './symbolize.ts'
import type { ModuleSymbols } from './symbols.ts'

/** What the thread is sent. */
export type ToThread =
  | { readonly seen: readonly AskedModule[] }
  | { readonly asked: readonly AskedModule[]; readonly isSameKernel: boolean }

export interface Names extends Omit<Answers, 'modules'> {
  of(module: Module): ModuleSymbols
}

// Twenty messages for a large recording, and the first of them after a twentieth of it.
const batch = 2048

export class NamesAhead {
  #thread: Worker | undefined
  #answers: Promise<Answers> | undefined
  /** Of each module that was met, the addresses that the thread was not told of yet. */
  readonly #seen = new Map<Module, number[]>()
  #seenCount = 0

  /** To be called with each address as soon as it is known. */
  see(address: Address): void {
    const values = this.#seen.get(address.module)
    if (values === undefined) this.#seen.set(address.module, [lookedUp(address)])
    else values.push(lookedUp(address))
    // The first one of a module is sent at once: to read its symbols is most of the work.
    const isUrgent = values === undefined && this.#thread !== undefined
    if (++this.#seenCount >= batch || isUrgent) this.#sendSeen()
  }

  /**
   * The names of all addresses of a profile. To be called once.
   *
   * @param isSameKernel whether the kernel's names here are those of the kernel that was sampled
   * @throws {ProfilerError} `SP_INTERNAL`
   */
  async of(profile: Profile, isSameKernel: boolean): Promise<Names> {
    const asked = addressesOf(profile)
    const { modules, sources, problems } = await this.#ask(asked, isSameKernel)
    const symbols = new Map(asked.map(({ module }, at) => [module, symbolsOf(modules[at]!)]))
    return { of: module => symbols.get(module)!, sources, problems }
  }

  /** Ends the thread, whatever it is doing. */
  close(): void {
    this.#thread?.terminate()
  }

  async #ask(asked: readonly AskedModule[], isSameKernel: boolean): Promise<Answers> {
    if (asked.length === 0) return { modules: [], sources: [], problems: [] }
    if (this.#answers === undefined) return answerHere(asked, isSameKernel)
    this.#thread!.postMessage({ asked, isSameKernel } satisfies ToThread)
    return this.#answers
  }

  #sendSeen(): void {
    const seen: AskedModule[] = []
    for (const [module, values] of this.#seen) {
      if (values.length > 0) seen.push({ module, values: Float64Array.from(values) })
      values.length = 0
    }
    this.#seenCount = 0
    this.#thread ??= this.#start()
    this.#thread.postMessage({ seen } satisfies ToThread)
  }

  #start(): Worker {
    const thread = new Worker(new URL('./naming-thread.ts', import.meta.url))
    this.#answers = new Promise((resolve, reject) => {
      thread.once('message', resolve)
      thread.once('error', cause => {
        reject(new ProfilerError('SP_INTERNAL', 'the thread that names has failed', { cause }))
      })
    })
    // It is waited for later, or not at all if the reading fails.
    this.#answers.catch(() => {})
    return thread
  }
}

function addressesOf({ frames }: Profile): AskedModule[] {
  const values = new Map<Module, number[]>()
  for (const { address } of frames) {
    if (address === undefined) continue
    const known = values.get(address.module)
    if (known === undefined) values.set(address.module, [lookedUp(address)])
    else known.push(lookedUp(address))
  }
  return [...values].map(([module, each]) => ({ module, values: Float64Array.from(each) }))
}

/** What reads symbols is loaded only here: a large recording leaves it to the thread. */
async function answerHere(asked: readonly AskedModule[], isSameKernel: boolean): Promise<Answers> {
  const { moduleFiles } = await import('./module-files.ts')
  const { nameSources } = await import('./sources.ts')
  const files = moduleFiles()
  try {
    return answerAll(nameSources(files), asked, isSameKernel)
  } finally {
    files.close()
  }
}
