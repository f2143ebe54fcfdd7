// A native image of GraalVM: a Java program that was compiled ahead of time.
// https://www.graalvm.org/latest/reference-manual/native-image/
//
// There is no JVM in it, so nothing can be attached: it is machine code with
// symbols of its own. It is known by the section that holds its heap.

import { sectionNamed } from '../symbolize/elf.ts'
import { degraded, perfStrategy } from './perf-strategy.ts'
import type { Runtime } from './runtime.ts'

export const nativeImageRuntime: Runtime = {
  name: 'native-image',
  title: 'GraalVM native image',

  detect({ elf }) {
    if (elf === undefined || sectionNamed(elf, '.svm_heap') === undefined) return undefined
    return { version: 'unknown', evidence: 'has the section .svm_heap' }
  },

  strategies: [
    degraded(
      perfStrategy,
      'stacks may lack their callers: a native image has no frame pointers unless it was built with them',
      'build it with `-H:+PreserveFramePointer`',
    ),
  ],
}
