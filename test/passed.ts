// Files that are as good as passed: what stores and folders are tested with. These tests are about
// files, not about names, and only the gate itself makes what really leaves.

import { createHash } from 'node:crypto'
import { type Passed, passedBefore } from '../agent/redact/gate.ts'

export function passed(name: string, content: string | Uint8Array): Passed {
  const bytes = Buffer.from(content)
  return passedBefore(name, bytes, createHash('sha256').update(bytes).digest('hex'))!
}
