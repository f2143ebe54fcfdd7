// What a JVM says of itself, and what it was started with.

import type { ProcessFacts } from '../target/facts.ts'
import { readHsperfdata } from './hsperfdata.ts'

const hsperfdata = /^\/tmp\/hsperfdata_[^/]+\/\d+$/
// 32 KB unless somebody changed -XX:PerfDataMemorySize.
const maxHsperfdata = 1 << 20

const libjvm = /\/libjvm\.so$/
const maxRelease = 64 << 10
// Of the line that -Xinternalversion prints: `OpenJDK 64-Bit Server VM (17.0.15+6-Debian-1) for linux-amd64`.
const internalVersion = /VM \((\d[^()\s]{0,60})\) for linux/

export function jvmLibrary(facts: ProcessFacts): string | undefined {
  return facts.mappedFiles.find(path => libjvm.test(path))
}

/** `17.0.15`, `1.8.0_392`; `unknown` where nothing tells. */
export function jvmVersion(facts: ProcessFacts, library: string): string {
  return (
    releaseLine(facts, library, /^JAVA_VERSION="([\w.+-]{1,60})"/m) ??
    jvmTexts(facts)?.get('java.property.java.version') ??
    facts.search(library, internalVersion)?.[1] ??
    'unknown'
  )
}

/** 17; 1 for Java 8, which calls itself 1.8; NaN where it is not known. */
export function jvmMajor(facts: ProcessFacts): number {
  const library = jvmLibrary(facts)
  return library === undefined ? Number.NaN : Number.parseInt(jvmVersion(facts, library), 10)
}

/** Whether its Java has a module; undefined where it does not say which it has. */
export function jvmHasModule(facts: ProcessFacts, name: string): boolean | undefined {
  const library = jvmLibrary(facts)
  const modules = library && releaseLine(facts, library, /^MODULES="([\w. ]{1,20000})"/m)
  return modules?.split(' ').includes(name)
}

function releaseLine(facts: ProcessFacts, library: string, line: RegExp): string | undefined {
  // lib/server/libjvm.so; before Java 9 jre/lib/amd64/server/libjvm.so, with `release` beside `jre`.
  const folders = library.split('/').slice(0, -1)
  for (const up of [2, 4, 3]) {
    const home = folders.slice(0, -up).join('/')
    const release = facts.readFile(`${home}/release`, maxRelease)?.toString('utf8') ?? ''
    const found = line.exec(release)?.[1]
    if (found !== undefined) return found
  }
  return undefined
}

/** What the JVM says of itself; undefined where it does not. */
export function jvmTexts(facts: ProcessFacts): ReadonlyMap<string, string> | undefined {
  const path = facts.mappedFiles.find(each => hsperfdata.test(each))
  const bytes = path === undefined ? undefined : facts.readFile(path, maxHsperfdata)
  return bytes && readHsperfdata(bytes)
}

const optionVariables = ['JAVA_TOOL_OPTIONS', 'JDK_JAVA_OPTIONS', '_JAVA_OPTIONS']
const maxArgumentFile = 64 << 10

/**
 * The last value of a switch `-XX:+NAME`; undefined where it is not given.
 *
 * What the JVM says is the truth. Where it says nothing, what is found in arguments, files of
 * arguments and variables is the best that can be had.
 */
export function jvmSwitch(facts: ProcessFacts, name: string): boolean | undefined {
  const said = jvmTexts(facts)
  const words = said
    ? [said.get('java.rt.vmFlags') ?? '', said.get('java.rt.vmArgs') ?? '']
    : [
        ...optionVariables.slice(0, 2).map(variable => facts.environment(variable) ?? ''),
        ...facts.argv.flatMap(argument =>
          argument.startsWith('@')
            ? (facts.readFile(argument.slice(1), maxArgumentFile)?.toString('utf8') ?? '')
            : argument,
        ),
        ...optionVariables.slice(2).map(variable => facts.environment(variable) ?? ''),
      ]
  const last = words
    .join(' ')
    .split(/[\s"']+/)
    .findLast(word => word === `-XX:+${name}` || word === `-XX:-${name}`)
  return last === undefined ? undefined : last.startsWith('-XX:+')
}
