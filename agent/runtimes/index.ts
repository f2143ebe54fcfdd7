// The runtimes, in the order in which they are asked.
//
// Order is meaning: what is embedded comes before what embeds it. A process that
// maps libpython is asked about as Python first, even if a Go or C++ program
// loaded it; `native` says yes to every ELF file, so it is last.

import type { ProcessFacts } from '../target/facts.ts'
import { bunRuntime } from './bun.ts'
import { cpythonRuntime } from './cpython.ts'
import { denoRuntime } from './deno.ts'
import { dotnetRuntime } from './dotnet.ts'
import { erlangRuntime } from './erlang.ts'
import { goRuntime } from './go.ts'
import { jvmRuntime } from './jvm.ts'
import { nativeRuntime } from './native.ts'
import { nativeImageRuntime } from './native-image.ts'
import { nodeRuntime } from './node.ts'
import { openj9Runtime } from './openj9.ts'
import { phpRuntime } from './php.ts'
import { rubyRuntime } from './ruby.ts'
import type { Detection, Runtime } from './runtime.ts'

export const runtimes: readonly Runtime[] = [
  jvmRuntime,
  openj9Runtime,
  cpythonRuntime,
  rubyRuntime,
  phpRuntime,
  nodeRuntime,
  denoRuntime,
  bunRuntime,
  dotnetRuntime,
  erlangRuntime,
  goRuntime,
  nativeImageRuntime,
  nativeRuntime,
]

export interface Fingerprint extends Detection {
  readonly runtime: Runtime
}

/** Every runtime that the process holds, the one to profile first. Empty if nothing can be told. */
export function fingerprint(facts: ProcessFacts): Fingerprint[] {
  return runtimes.flatMap(runtime => {
    const detection = runtime.detect(facts)
    return detection === undefined ? [] : [{ runtime, ...detection }]
  })
}

/** What else a process runs: `Ruby 3.1.2` inside a Python. That it is machine code, too, is no news. */
export function alsoRuns(fingerprints: readonly Fingerprint[]): string[] {
  return fingerprints
    .slice(1)
    .filter(({ runtime }) => runtime !== nativeRuntime)
    .map(({ runtime, version }) => `${runtime.title} ${version}`)
}
