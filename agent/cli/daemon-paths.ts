// Where the daemon keeps what it has, and where it is to be found: the same for it and for those who ask it.

import path from 'node:path'
import type { Settings } from '../config.ts'
import { privateRoot } from '../publish/private-folder.ts'

export function daemonPaths(settings: Pick<Settings, 'state' | 'socket'>) {
  const state = path.resolve(settings.state ?? path.join(privateRoot(), 'daemon'))
  return {
    state,
    socket: path.resolve(settings.socket ?? path.join(state, 'daemon.sock')),
    tokenFile: path.join(state, 'token'),
  }
}
