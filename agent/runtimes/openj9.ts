// OpenJ9, the other JVM (IBM Semeru): https://eclipse.dev/openj9/
//
// It is no HotSpot: it has an attach protocol of its own, and async-profiler
// sees but a part of it. It is named as what it is, and sampled as native code.

import { degraded, perfStrategy } from './perf-strategy.ts'
import type { Runtime } from './runtime.ts'

const libj9 = /\/libj9vm\d*\.so$/
// Of lib/j9vm29.so's home: the same file that every JDK has.
const maxRelease = 64 << 10

export const openj9Runtime: Runtime = {
  name: 'openj9',
  title: 'OpenJ9',

  detect(facts) {
    const library = facts.mappedFiles.find(path => libj9.test(path))
    if (library === undefined) return undefined
    // lib/default/libj9vm29.so; before Java 9 jre/lib/amd64/default/libj9vm29.so.
    const folders = library.split('/').slice(0, -1)
    const version = [2, 4, 3]
      .map(up => facts.readFile(`${folders.slice(0, -up).join('/')}/release`, maxRelease))
      .map(release => /^JAVA_VERSION="([\w.+-]{1,60})"/m.exec(release?.toString('utf8') ?? '')?.[1])
      .find(each => each !== undefined)
    return { version: version ?? 'unknown', evidence: `maps ${library}` }
  },

  strategies: [
    degraded(
      perfStrategy,
      'perf sees the JVM itself, not the Java functions',
      'start Java with `-Xjit:perfTool`, which writes a perf map',
    ),
  ],
}
