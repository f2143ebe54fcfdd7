// What redaction and the gate cost, and how well they do.
//
//     node test/bench/redact.ts
//
// Times are CPU times, of the median run for what is warm. Shares are given by Wilson's interval of
// 95 %, for a thousand values found of a thousand are not a proof of all.

import { noCaller, type Profile, ProfileBuilder } from '../../agent/profile/profile.ts'
import { personalClasses } from '../../agent/redact/classes.ts'
import { classesIn } from '../../agent/redact/gate-views.ts'
import { redact, redactText } from '../../agent/redact/redact.ts'
import { renderSvg } from '../../agent/render/svg.ts'
import { random } from '../random.ts'
import { page, pass, policy } from '../redact/artefacts.ts'
import { encodedInPlace, encodings, inPlace, makeValue, wilson } from '../redact/corpus.ts'
import { realNames } from '../redact/symbols.ts'
import { line } from './line.ts'
import { median } from './measure.ts'

function cpuMs(act: () => unknown): number {
  const start = process.cpuUsage()
  act()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000
}

// A profile of bytes whose picture is 4 MB: 22,000 stacks of 6,000 functions, some with values.

const generator = random(1)
// A few of each source, and the rest forgotten, so that the heap is that of a capture.
const sources = [...realNames().values()]
  .filter(list => list.length > 1000)
  .map(list => Array.from({ length: 3000 }, () => Buffer.from(generator.pick(list)).toString()))

function profileOf(functions: number, stacks: number): Profile {
  const builder = new ProfileBuilder()
  const column = builder.column('alloc_space', 'bytes')
  const frames = Array.from({ length: functions }, (_, index) => {
    const name = generator.pick(generator.pick(sources)).slice(0, 120)
    const value = makeValue(generator.pick(personalClasses), generator)
    return builder.frame({ name: index % 50 === 0 ? `${name}(${value})` : name, kind: 'native' })
  })
  const made: number[] = []
  for (let caller = noCaller, depth = 0; made.length < stacks; depth++) {
    if (depth > 24 || generator.integer(10) === 0) {
      caller = made.length === 0 ? noCaller : generator.pick(made)
      depth = 0
    }
    caller = builder.stack(caller, generator.pick(frames))
    builder.add(caller, column, generator.integer(2 ** 31))
    made.push(caller)
  }
  return builder.build()
}

const profile = profileOf(6000, 22_000)
const words = { ...page, limits: { maxFrames: 30_000, minWidth: 0 } }
const cold: number[] = []
const warm: number[] = []
let size = 0
for (let run = 0; run < 25; run++) {
  let redacted: ReturnType<typeof redact<typeof words>> | undefined
  const redactMs = cpuMs(() => {
    redacted = redact(profile, words, policy)
  })
  const svg = Buffer.from(renderSvg(redacted!.profile, redacted!.texts))
  size = svg.length
  const gateMs = cpuMs(() => pass(svg, 'svg'))
  const both = redactMs + gateMs
  if (run === 0) cold.push(both)
  else if (run >= 5) warm.push(both)
}
const megabytes = (size / 1e6).toFixed(1)
line(`redact and gate a ${megabytes} MB SVG, cold`, cold[0]!, 'ms', { most: 200 })
line(`redact and gate a ${megabytes} MB SVG, warm`, median(warm), 'ms', { most: 80 })

// The longest that 100 KB of anything takes.

const tokens =
  'a a. @ a@a. a@ eyJ eyJ. 9 9_ 98765_ +91_ 4_ 4111_ x xxx- **** ABCDE1234 ABCPK1234L A_ %39 %25 &#57; &amp; &# \\u0039 \\x39 cust_ /home/ OTg3 39 \u096f \u00e9 \u0301 0x9 C:\\Users\\ [at] a[at]b _40_ a_at_b_dot_ \u2026 ( .. 27AAPFU0939F1Z 234123412346_ 7f98 a1 1.1.1. \ufdfa pan_abcpk1234l,'.split(
    ' ',
  )
let slowest = { ms: 0, token: '' }
for (const token of tokens) {
  const text = token
    .replaceAll('_', ' ')
    .repeat(Math.ceil(100_000 / token.length))
    .slice(0, 100_000)
  const runs = Array.from({ length: 3 }, () =>
    Math.max(
      cpuMs(() => redactText(text, policy)),
      cpuMs(() => classesIn(text, policy.customerIds)),
    ),
  )
  const ms = median(runs)
  if (ms > slowest.ms) slowest = { ms, token }
}
line(`the slowest of ${tokens.length} tokens of 100 KB (${slowest.token})`, slowest.ms, 'ms', {
  most: 50,
})

// How well it does.

for (const name of personalClasses) {
  let found = 0
  const count = 2000
  for (let index = 0; index < count; index++) {
    const value = makeValue(name, generator)
    const { text, found: all } = redactText(inPlace(name, value, index), policy)
    if (all.length > 0 && !text.includes(value)) found++
  }
  const { low } = wilson(found, count)
  line(
    `missed of ${count} ${name} (95 % sure: below ${((1 - low) * 100).toFixed(2)} %)`,
    count - found,
    'values',
    { most: 0 },
  )
}

let hidden = 0
let hiddenFound = 0
let refused = 0
for (const encoding of encodings) {
  for (const name of encoding.classes) {
    for (let index = 0; index < 200; index++) {
      const text = encodedInPlace(encoding, name, generator, index)
      hidden++
      if (redactText(text, policy).found.length > 0) hiddenFound++
      else if (classesIn(text, []).length > 0) refused++
    }
  }
}
const share = wilson(hiddenFound, hidden)
line(
  `missed of ${hidden} hidden values (found ${(share.low * 100).toFixed(2)} to ${(share.high * 100).toFixed(2)} %, ${refused} more refused)`,
  ((hidden - hiddenFound) / hidden) * 100,
  '%',
  { most: 5 },
)

let clean = 0
let changed = 0
for (const list of realNames().values()) {
  for (const name of list) {
    clean++
    if (redactText(name, policy).found.length > 0) changed++
  }
}
const { high } = wilson(changed, clean)
line(
  `changed of ${clean} real names (95 % sure: below ${(high * 1e6).toFixed(0)} in a million)`,
  changed,
  'names',
  { most: 0 },
)
