// From a body that has the right form to an ask that can be captured: the daemon's
// own settings, what the body changes of them, and the target that is meant.

import { readConfig, type Settings } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import { checkOutput } from '../publish/output.ts'
import type { Identity, SessionAsk } from '../session/ask.ts'
import { chooseUnasked } from '../session/choose.ts'
import type { CaptureAsk } from './wire.ts'

/**
 * @throws {ProfilerError} `SP_CONFIG_INVALID`, `SP_FORBIDDEN`, `SP_SPOOL_FULL`, `SP_OUTPUT_FAILED`, `SP_TARGET_GONE`,
 * `SP_TARGET_AMBIGUOUS`
 */
export async function readAsk(
  ask: CaptureAsk,
  daemon: Settings,
  identity: Identity,
): Promise<SessionAsk> {
  const { target, seconds, formats, to, publish, windows, ...same } = ask
  if (to !== undefined) checkDestination(to, daemon.to, identity)
  const { settings } = readConfig(
    {
      ...same,
      ...(seconds !== undefined && { duration: `${Math.round(seconds * 1000)}ms` }),
      ...(formats !== undefined && { format: formats }),
      ...(to !== undefined && { to }),
      ...windowsOf(windows),
    },
    {},
    inherited(daemon),
  )
  // What stays here needs no other place.
  if (publish !== false) await checkOutput(settings)
  return {
    target: await chooseUnasked(target?.pid, settings.mode),
    settings,
    formats: settings.format,
    ...(publish === false && { isKeptOnly: true }),
  }
}

/**
 * A command of another version may mean another thing by the same words.
 *
 * @param asking as its header says; who is no command of ours says none
 * @throws {ProfilerError} `SP_VERSION_DIFFERS`
 */
export function checkVersion(asking: string | string[] | undefined, own: string): void {
  if (asking === undefined || asking === own) return
  const said = /^[\w.+-]{1,40}$/.exec(String(asking))?.[0] ?? 'none that we know'
  const message = `the daemon is version ${own}, and the command version ${said}`
  throw new ProfilerError('SP_VERSION_DIFFERS', message)
}

function windowsOf(windows: CaptureAsk['windows']): object {
  if (typeof windows !== 'object' || Array.isArray(windows)) return { windows }
  const every = `${windows.every * 1000}ms`
  return 'count' in windows ? { windows: windows.count, every } : { every }
}

/**
 * What an ask takes from the daemon where it says nothing; the rest is the daemon's own business. What
 * may be run in a target is allowed by who started the daemon, and there is no word for it in an ask.
 */
function inherited(daemon: Settings): object {
  const { to, format, hertz, duration, mode, customerIds, allowRemoteEval } = daemon
  const { s3Endpoint, s3Region, s3PathStyle, s3Encryption, gcsEndpoint, objectTags } = daemon
  const { spool, spoolMaxBytes, spoolMaxEntries, uploadDeadline } = daemon
  return {
    ...{ to, format, hertz, mode, customerIds, allowRemoteEval },
    ...{ s3Endpoint, s3Region, s3PathStyle, s3Encryption, gcsEndpoint, objectTags },
    ...{ spool, spoolMaxBytes, spoolMaxEntries },
    duration: `${duration}ms`,
    uploadDeadline: `${uploadDeadline}ms`,
  }
}

/** From outside nobody chooses a place that the daemon was not given. */
function checkDestination(to: string, given: string, { name }: Identity): void {
  if (name === 'token' || to === given) return
  const below = given.endsWith('/') ? given : `${given}/`
  if (to.startsWith(below) && !to.split('/').includes('..') && !/[?#%\\]/.test(to)) return
  throw new ProfilerError('SP_FORBIDDEN', `${name} may publish to ${given} and below only`)
}
