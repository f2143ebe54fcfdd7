// What a redaction needs to know, checked once.

import { randomBytes } from 'node:crypto'
import { ProfilerError } from '../errors.ts'
import { type CustomerIdPattern, type CustomerIdRule, customerIdRules } from './customer-ids.ts'
import { unsafeReplacement } from './replacement.ts'

export interface RedactionPolicy {
  /** Of the incident: the same key gives the same replacements. */
  readonly key: Buffer
  readonly customerIds: readonly CustomerIdRule[]
  /** SHA-256, in hex, of the scripts that an SVG may hold. */
  readonly allowedScripts: ReadonlySet<string>
  /** Of the gate, for an artefact of up to 4 MB, and as much again for each 4 MB more, to 64 MB; unpacked. */
  readonly cpuBudgetMs: number
}

export interface RedactionOptions {
  readonly key?: Buffer
  readonly customerIds?: readonly CustomerIdPattern[]
  readonly allowedScripts?: Iterable<string>
  readonly cpuBudgetMs?: number
}

/** @throws {ProfilerError} `SP_CONFIG_INVALID` for a short key or a pattern that may not be. */
export function redactionPolicy(options: RedactionOptions = {}): RedactionPolicy {
  // 128 bits, below which a key could be found by trying.
  if (options.key !== undefined && options.key.length < 16) {
    throw new ProfilerError('SP_CONFIG_INVALID', 'the redaction key is shorter than 16 bytes')
  }
  const customerIds = customerIdRules(options.customerIds ?? [])
  // Only a stranger's pattern can match what we write: that ours do not is a test.
  const unsafe = customerIds.length > 0 ? unsafeReplacement(customerIds) : undefined
  if (unsafe !== undefined) {
    throw new ProfilerError(
      'SP_CONFIG_INVALID',
      `a customer id pattern matches what redaction writes itself, such as ${unsafe}`,
    )
  }
  return {
    key: options.key ?? randomBytes(32),
    customerIds,
    allowedScripts: new Set(options.allowedScripts ?? []),
    // Ten times what 4 MB take on a warm machine: a limit for the hostile, not for the slow.
    cpuBudgetMs: options.cpuBudgetMs ?? 2000,
  }
}
