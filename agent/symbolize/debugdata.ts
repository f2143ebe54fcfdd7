// .gnu_debugdata: a small ELF file, packed with xz, inside of a stripped one.
//
// Fedora and RHEL put the function symbols there that .dynsym lacks:
// https://sourceware.org/gdb/current/onlinedocs/gdb.html/MiniDebugInfo.html

import { bytesOf } from './bytes.ts'
import { type Elf, readElf, sectionBytes } from './elf.ts'
import { unpackXz } from './xz.ts'

// Real ones unpack to 0.1-20 MB. xz can shrink zeros 7,000 times, so a hostile one could ask for
// anything, and 32 MB already take two seconds.
const maxUnpackedBytes = 32 << 20

/**
 * The ELF file inside; undefined if there is none.
 *
 * @throws {ProfilerError} `SP_ELF_MALFORMED`
 */
export function readDebugData(elf: Elf): Elf | undefined {
  const packed = sectionBytes(elf, '.gnu_debugdata')
  return packed && readElf(bytesOf(unpackXz(packed, maxUnpackedBytes)))
}
