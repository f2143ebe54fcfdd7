// A tiny language for stacks: what a test writes is what folded text says.
//
//     const profile = stacks(`
//       main;handle;parse       3
//       main;handle;recv_[k]    1   2
//     `)
//
// A second number is the weight in a second column, `bytes`. It does not use the
// folded reader, so that a test of any stage depends on that stage alone.

import { printFolded } from '../agent/profile/folded.ts'
import { readFrameText } from '../agent/profile/frame-text.ts'
import { noCaller, type Profile, ProfileBuilder } from '../agent/profile/profile.ts'

export function stacks(text: string): Profile {
  const builder = new ProfileBuilder()
  builder.column('samples', 'samples')
  for (const line of text.split('\n').map(line => line.trim())) {
    if (line === '') continue
    const { path, weights } = /^(?<path>.*?)\s+(?<weights>[\d.]+(?:\s+[\d.]+)?)$/.exec(line)!
      .groups!
    let stack = noCaller
    for (const name of path!.split(';')) {
      stack = builder.stack(stack, builder.frame(readFrameText(name, stack === noCaller)))
    }
    for (const [index, weight] of weights!.split(/\s+/).entries()) {
      const column = index === 0 ? 0 : builder.column('allocated', 'bytes')
      builder.add(stack, column, Number(weight))
    }
  }
  return builder.build()
}

/** What a profile says in folded text, one string. */
export function folded(profile: Profile, column = 0): string {
  return Buffer.concat([...printFolded(profile, column)]).toString()
}

/** The profile that a reader makes of text or bytes. */
export async function readWith(
  read: (chunks: Iterable<Uint8Array>, builder: ProfileBuilder) => Promise<unknown>,
  input: string | Uint8Array,
): Promise<Profile> {
  const builder = new ProfileBuilder()
  await read([typeof input === 'string' ? Buffer.from(input) : input], builder)
  return builder.build()
}

/** Names that have broken somebody's flame graph. */
export const hostileNames = [
  'constructor',
  '__proto__',
  'hasOwnProperty',
  '函数',
  '🔥',
  '</script><script>alert(1)</script>',
  'a (b.ts:3)',
  '"quoted" & <tagged>',
  'right\u202eleft',
  'std::function<int (int, int)>::operator()',
  'x'.repeat(100_000),
]
