// A session as it goes over the wire.

import { type Series, seriesOf } from '../config-windows.ts'
import type { Session } from '../session/sessions.ts'
import { bodyOf } from './problems.ts'
import type { CaptureView } from './wire.ts'

/** @param live what its capture shows so far, if it captures */
export function viewOf(session: Session, live?: unknown): CaptureView {
  const { id, ask, state, message, requester, incident, createdAt, beganAt, endedAt } = session
  const { mode, hertz, duration, every, to } = ask.settings
  const series = seriesOf(ask.settings)
  const href = `/v1/captures/${id}`
  const receipt = state.name === 'finished' ? state.receipt : undefined
  return {
    id,
    href,
    state: state.name,
    message: state.name === 'failed' ? state.problem.message : message,
    isCancelled: session.isCancelled === true,
    requester,
    target: { pid: ask.target.pid },
    asked: {
      mode,
      hertz,
      seconds: duration / 1000,
      ...(series !== undefined && { windows: windowsOf(series, every) }),
      to,
      // As the files have it, once there are any: each capture has a key of its own.
      ...(incident !== undefined && { incident: receipt?.record.incident ?? incident }),
    },
    createdAt,
    ...(beganAt !== undefined && { beganAt }),
    ...(endedAt !== undefined && { endedAt }),
    ...(live !== undefined && { live }),
    artefacts: (receipt?.files ?? []).map(file => ({
      ...file,
      href: `${href}/artefacts/${file.name}`,
    })),
    // Tallies are maps in memory.
    ...(receipt !== undefined && { receipt }),
    ...(state.name === 'failed' && { problem: bodyOf(state.problem) }),
  }
}

/** As it could be asked for. */
function windowsOf({ offsetsMs, isOpen }: Series, every: number | undefined) {
  return isOpen
    ? ({ every: every! / 1000, until: 'stopped' } as const)
    : offsetsMs.map(ms => ms / 1000)
}
