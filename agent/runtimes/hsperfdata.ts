// What a HotSpot JVM publishes of itself in /tmp/hsperfdata_<user>/<pid>: its
// version, and the flags that it was really started with, wherever they came
// from (command line, variables, files).
//
// https://openjdk.org/groups/serviceability/jvmstat/ and PerfMemory in HotSpot's
// perfMemory.hpp: a prologue of 32 bytes, then entries, each with its own length,
// a name and a value, in the JVM's byte order. It is absent with -XX:-UsePerfData.
//
// The target writes it, so every length is checked and none is believed.

const magic = 0xcafec0c0
const prologueBytes = 32
const entryBytes = 20
// 'B': text is an array of bytes.
const byteType = 0x42
// A JVM has some 250.
const maxEntries = 4096

/** The texts in it by name, or undefined where it is none. */
export function readHsperfdata(bytes: Buffer): ReadonlyMap<string, string> | undefined {
  if (bytes.length < prologueBytes || bytes.readUInt32BE(0) !== magic) return undefined
  // 1 is little-endian; the machines that we run on are.
  if (bytes[4] !== 1) return undefined
  const texts = new Map<string, string>()
  let at = bytes.readUInt32LE(24)
  const count = Math.min(bytes.readUInt32LE(28), maxEntries)
  for (let index = 0; index < count && at + entryBytes <= bytes.length; index++) {
    const length = bytes.readUInt32LE(at)
    if (length < entryBytes || at + length > bytes.length) break
    const entry = bytes.subarray(at, at + length)
    const nameAt = entry.readUInt32LE(4)
    const valueLength = entry.readUInt32LE(8)
    const valueAt = entry.readUInt32LE(16)
    if (entry[12] === byteType && nameAt < length && valueAt < length) {
      const value = entry.subarray(valueAt, Math.min(length, valueAt + valueLength))
      texts.set(textOf(entry.subarray(nameAt)), textOf(value))
    }
    at += length
  }
  return texts
}

function textOf(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end)
}
