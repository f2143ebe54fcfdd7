// A pod whose daemon is asked from outside too: the keys for it, and both ways in.

import fs from 'node:fs'
import path from 'node:path'
import { onTestFinished } from 'vitest'
import { modernProfile } from '../apps/containers.ts'
import { makeAuthority } from '../http/authority.ts'
import { temporaryFolder } from '../temporary.ts'
import { type Asked, asked } from './asked.ts'
import { freePorts, type Pod, type PodOptions, type Profiler, playPod } from './pods.ts'

/** What each runtime needs of another uid: to be read, sampled, sent a signal, and its socket opened. */
export const usualCapabilities = ['SYS_PTRACE', 'PERFMON', 'KILL', 'DAC_OVERRIDE']

export interface Played {
  readonly pod: Pod
  readonly outside: Asked
  /** The daemon's port on loopback. */
  readonly listen: number
}

/** @returns plays a pod, which ends with the test: with the usual rights, where it is not said otherwise */
export function makePlayer(): (
  options: Omit<PodOptions, 'profiler'>,
  profiler?: Partial<Profiler>,
) => Promise<Played> {
  const authority = makeAuthority(temporaryFolder())
  const certificates = path.dirname(authority.ca)
  // A Secret is mounted so that the profiler's user may read it, whoever that is.
  fs.chmodSync(certificates, 0o755)
  fs.chmodSync(authority.issue('server', 'DNS:profiler,IP:127.0.0.1').key, 0o644)
  const oncall = authority.issue('oncall', 'URI:spiffe://shop/oncall')
  const seccomp = modernProfile()
  return async (options, profiler = {}) => {
    const { listen, tls } = await freePorts()
    const args = [
      `--listen=127.0.0.1:${listen}`,
      `--tls-listen=127.0.0.1:${tls}`,
      '--tls-cert=/certificates/server.pem',
      '--tls-key=/certificates/server.key',
      '--tls-ca=/certificates/ca.pem',
      '--client=URI:spiffe://shop/oncall=capturer',
      ...(profiler.args ?? []),
    ]
    const mounts = { '/certificates': certificates }
    const pod = await playPod({
      ...options,
      profiler: { capabilities: usualCapabilities, seccomp, ...profiler, mounts, args },
    })
    onTestFinished(() => pod.close())
    return { pod, outside: asked(tls, { ...oncall, ca: authority.ca }), listen }
  }
}
