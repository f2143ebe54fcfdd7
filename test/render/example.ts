// Profiles and pages for tests: one stack a line, root first, then its weight.
// A frame may begin with its kind: `kernel:tcp_sendmsg`, `unknown:libc+0x10`.

import {
  type FrameKind,
  noCaller,
  type Profile,
  ProfileBuilder,
} from '../../agent/profile/profile.ts'
import { assess } from '../../agent/profile/quality.ts'
import { classify } from '../../agent/profile/shape.ts'
import type { Redacted } from '../../agent/redact/redacted.ts'
import type { Page } from '../../agent/render/page.ts'

const kinded = /^(thread|kernel|jit|inlined|interpreted|unknown):(.*)$/s

export function profileOf(text: string): Redacted<Profile> {
  const builder = new ProfileBuilder()
  for (const line of text.trim().split(/\n\s*/)) {
    const end = line.lastIndexOf(' ')
    addStack(builder, line.slice(0, end).split(';'), Number(line.slice(end + 1)))
  }
  return builder.build() as Redacted<Profile>
}

export function addStack(builder: ProfileBuilder, names: readonly string[], weight: number): void {
  const column = builder.column('cpu-clock', 'samples')
  let stack = noCaller
  for (const written of names) {
    const [, kind = 'native', name = written] = kinded.exec(written) ?? []
    const reason = kind === 'unknown' ? ({ reason: 'no symbols' } as const) : {}
    stack = builder.stack(stack, builder.frame({ name, kind: kind as FrameKind, ...reason }))
  }
  builder.add(stack, column, weight)
}

export function pageOf(profile: Profile, more: Partial<Page> = {}): Redacted<Page> {
  return {
    title: 'payments-core',
    subtitle: ['30 s at 99 Hz'],
    quality: assess(profile, { tool: 'perf', event: 'cpu-clock' }),
    verdict: classify(profile, 0, { pid: 4242 }),
    ...more,
  } as Redacted<Page>
}

/** Names that break things, each in its own way. */
export const hostileNames = [
  '</script><script>document.title="broken"</script>',
  '</title></g></svg><script>document.title="broken"</script>',
  ']]><script>document.title="broken"</script>',
  '--> <!-- &amp; &lt; &#x41; <![CDATA[ <?xml ?>',
  '"\'` onload="document.title=1" x=\'',
  '<img src=x onerror=document.title=1>',
  'nul\0bell\x07escape\x1b[31m',
  'lone \ud800 half \udfff pair \ufffe\uffff',
  'fdp.\u202egpj.exe\u2066\u200f',
  'line\nbreak\r\n\ttab\u2028separator',
  '__proto__',
  'constructor',
  'toString',
  'name (12 samples, 99.99 %)',
  'name [kernel]',
  '[unknown]',
  '函数名称很长很长很长很长',
  '🔥'.repeat(40),
  'e\u0301\u0301\u0301\u0301'.repeat(50),
  'x'.repeat(100_000),
  '<'.repeat(50_000),
  ' ',
  'url(#unknown)',
  '{{7*7}} %s %n \\u0041 &#60;',
]
