// Finished artefacts of every format, as we make them, for tests that then spoil them.

import { printFolded } from '../../agent/profile/folded.ts'
import { printPprof } from '../../agent/profile/pprof-print.ts'
import type { Profile } from '../../agent/profile/profile.ts'
import { printSpeedscope } from '../../agent/profile/speedscope.ts'
import { type ArtefactFormat, gate, type Passed } from '../../agent/redact/gate.ts'
import { type RedactionPolicy, redactionPolicy } from '../../agent/redact/policy.ts'
import { redact } from '../../agent/redact/redact.ts'
import type { Page } from '../../agent/render/page.ts'
import { renderSvg } from '../../agent/render/svg.ts'
import { viewerScriptSha256 } from '../../agent/render/viewer.ts'
import { stacks } from '../stacks.ts'

export const policy: RedactionPolicy = redactionPolicy({
  key: Buffer.alloc(32, 7),
  allowedScripts: [viewerScriptSha256],
})

export const page: Page = {
  title: 'shop, pid 65432, on-CPU for 30 s',
  subtitle: ['2026-04-25 11:42:33 UTC, perf 6.1, 999 Hz', 'incident INC-20260425-1142'],
  quality: {
    level: 'trusted',
    reasons: [],
    samples: 29_970,
    unreadable: 0,
    unknownLeaf: 0,
    unknownAnywhere: 0,
    unknownByReason: [],
    lost: 0,
    tool: 'perf',
    event: 'cpu-clock',
  },
  verdict: {
    shape: 'wide leaf',
    headline: 'validate_card takes 92.1 %.',
    evidence: ['9,876 samples of 10,720.'],
    next: [{ why: 'See what it waits for', command: 'sp-flamegraph record --mode cpu 65432' }],
    unknown: { unreadable: 0, leaf: 0, anywhere: 0 },
    leaves: [],
    seen: [],
  },
}

const profile = stacks(`
  shop;main;com.acme.pay.Service.handle(98765);parse        9876543210   1
  shop;main;std::map<int, char&>::find;memcpy@@GLIBC_2.14   6543210987   2
  shop;main;foo+0x7f9876543210;acme::find::h9876543210abcdef   5         2
`)

/** The picture of a profile that has been through redaction, as every picture has. */
export function picture(of: Profile = profile, words: Page = page): string {
  const { profile: redacted, texts } = redact(of, words, policy)
  return renderSvg(redacted, texts)
}

export const svg = picture()
export const folded = Buffer.concat([...printFolded(profile)]).toString()
export const speedscope = Buffer.concat([...printSpeedscope(profile, 'shop')]).toString()
export const pprof = printPprof(profile, { timeNanos: 1_745_568_152e9, durationNanos: 30e9 })
export const manifest = JSON.stringify({
  id: '20260425T114233Z-65432',
  startedAt: '2026-04-25T11:42:33.123Z',
  cpuSeconds: 29.876543210987,
  files: [
    {
      name: 'flame.svg',
      sha256: '98765432109876543210987654321098765432109876543210987654321098ab',
    },
  ],
  symbols: [{ path: '/usr/bin/shop', buildId: '9876543210987654321098765432109876543210' }],
})

export function pass(bytes: string | Uint8Array, format: ArtefactFormat, name = 'flame'): Passed {
  return gate({ name, bytes: Buffer.from(bytes), format }, policy)
}
