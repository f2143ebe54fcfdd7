// Server-sent events of the daemon, as they come.
//
// https://html.spec.whatwg.org/multipage/server-sent-events.html
//
// Only what our daemon sends: `event` and `data` of one line each. It begins with
// the whole state, so a stream that breaks is simply opened again.

import http from 'node:http'
import type { Daemon } from './daemon.ts'

export interface DaemonEvent {
  readonly event: string
  readonly data: unknown
}

// A state with its receipt has 20 KB.
const maxEventLength = 4 << 20
// It says that it is here every 15 s.
const silentMs = 60_000

/** Ends when the daemon ends it. Throws where it breaks. */
export async function* watchDaemon(
  { socket, token }: Daemon,
  path: string,
): AsyncGenerator<DaemonEvent> {
  const response = await open(socket, path, { host: 'localhost', authorization: `Bearer ${token}` })
  response.setEncoding('utf8')
  let text = ''
  for await (const piece of response) {
    text += piece
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const event = parse(text.slice(0, end))
      text = text.slice(end + 2)
      if (event !== undefined) yield event
    }
    if (text.length > maxEventLength) throw new Error('an event of the daemon does not end')
  }
}

function open(
  socketPath: string,
  path: string,
  headers: Record<string, string>,
): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = http.get({ socketPath, path, headers, agent: false }, response => {
      if (response.statusCode === 200) resolve(response)
      else {
        response.destroy()
        reject(new Error(`the daemon answers ${response.statusCode}`))
      }
    })
    request.setTimeout(silentMs, () => request.destroy(new Error('the daemon is silent')))
    request.on('error', reject)
  })
}

/** Undefined for what holds no event: a comment, a time to try again. */
function parse(block: string): DaemonEvent | undefined {
  const fields = new Map(
    block.split('\n').map(line => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')]
    }),
  )
  const [event, data] = [fields.get('event'), fields.get('data')]
  return event === undefined || data === undefined ? undefined : { event, data: JSON.parse(data) }
}
