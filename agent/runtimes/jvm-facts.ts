// What a JVM says of itself, and what it was started with.

import type { ProcessFacts } from '../target/facts.ts'
import { readHsperfdata } from './hsperfdata.ts'

const hsperfdata = /^\/tmp\/hsperfdata_[^/]+\/\d+$/
// 32 KB unless somebody changed -XX:PerfDataMemorySize.
const maxHsperfdata = 1 << 20

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
