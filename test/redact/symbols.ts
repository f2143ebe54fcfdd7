// Names of real functions, read from binaries of this machine: what redaction must leave alone.
//
// Node is always here, for it comes with the packages. Others are taken where they are found.

import fs from 'node:fs'
import { demangle } from '../../agent/symbolize/demangle.ts'

/** Names of functions by where they are from; C++ and Rust names demangled and as they are. */
export function realNames(): Map<string, string[]> {
  const names = new Map<string, string[]>()
  for (const [source, file] of binaries) {
    if (!fs.existsSync(file)) continue
    const found = functionNames(fs.readFileSync(file))
    names.set(source, found)
    names.set(
      `${source}, demangled`,
      found.map(demangle).filter((name, index) => name !== found[index]),
    )
  }
  const kernel = fs.readFileSync('/proc/kallsyms', 'utf8').split('\n')
  names.set(
    'kernel',
    kernel.map(line => line.split(/\s/)[2] ?? '').filter(name => name !== ''),
  )
  return names
}

const binaries: readonly (readonly [string, string])[] = [
  ['node', process.execPath],
  ['libstdc++', '/usr/lib/x86_64-linux-gnu/libstdc++.so.6'],
  ['libpython', '/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0'],
  ['go', '/usr/local/go/bin/go'],
]

/** The names in `.symtab` and `.dynsym` of a 64-bit little-endian ELF file. */
function functionNames(file: Buffer): string[] {
  const sections = Number(file.readBigUInt64LE(0x28))
  const [size, count] = [file.readUInt16LE(0x3a), file.readUInt16LE(0x3c)]
  const names = new Set<string>()
  const section = (index: number) => {
    const at = sections + index * size
    const [offset, length] = [file.readBigUInt64LE(at + 24), file.readBigUInt64LE(at + 32)]
    const start = Number(offset)
    return {
      type: file.readUInt32LE(at + 4),
      link: file.readUInt32LE(at + 40),
      bytes: file.subarray(start, start + Number(length)),
    }
  }
  for (let index = 0; index < count; index++) {
    const { type, link, bytes } = section(index)
    if (type !== 2 && type !== 11) continue // SHT_SYMTAB, SHT_DYNSYM
    const text = section(link).bytes
    for (let at = 0; at + 24 <= bytes.length; at += 24) {
      if ((bytes[at + 4]! & 15) !== 2) continue // STT_FUNC
      const start = bytes.readUInt32LE(at)
      names.add(text.toString('latin1', start, text.indexOf(0, start)))
    }
  }
  return [...names]
}
