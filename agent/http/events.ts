// Server-sent events: the states of a capture as they change, and once a second
// what it shows so far.
//
// https://html.spec.whatwg.org/multipage/server-sent-events.html
//
// The trap is a client that does not read: what it is sent piles up here. One
// that is 64 KB behind is let go; it comes again and gets the whole state first.

import type { ServerResponse } from 'node:http'
import type { CaptureView } from './wire.ts'

// A state is 2 KB, a live summary 1 KB.
const maxBehindBytes = 64 * 1024
// Proxies cut what says nothing for 30 s or more.
const keepAliveMs = 15_000
export const maxWatchers = 200

export interface EventHub {
  /** Begins with the whole state, and ends when the capture is over. */
  watch(id: string, response: ServerResponse, now: CaptureView, isOver: boolean): void
  send(id: string, event: 'state' | 'live', data: unknown): void
  /** The last event was sent: those who watch are let go. */
  end(id: string): void
  readonly watchers: number
  /** The captures that somebody watches. */
  watched(): Iterable<string>
  close(): void
}

export function eventHub(): EventHub {
  const watching = new Map<string, Set<ServerResponse>>()
  const leave = (id: string, response: ServerResponse) => {
    const all = watching.get(id)
    all?.delete(response)
    if (all?.size === 0) watching.delete(id)
  }
  const write = (id: string, response: ServerResponse, text: string) => {
    if (response.writableLength > maxBehindBytes) {
      leave(id, response)
      response.destroy()
    } else response.write(text)
  }
  const keepAlive = setInterval(() => {
    for (const [id, all] of watching) for (const each of all) write(id, each, ': here\n\n')
  }, keepAliveMs)
  keepAlive.unref()
  return {
    watch(id, response, now, isOver) {
      response.writeHead(200, {
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      })
      response.write(`retry: 1000\n${eventText('state', now)}`)
      if (isOver) {
        response.end()
        return
      }
      const all = watching.get(id) ?? new Set()
      watching.set(id, all.add(response))
      response.once('close', () => leave(id, response))
      response.on('error', () => leave(id, response))
    },
    send(id, event, data) {
      const all = watching.get(id)
      if (all === undefined) return
      const text = eventText(event, data)
      for (const each of all) write(id, each, text)
    },
    end(id) {
      for (const each of watching.get(id) ?? []) each.end()
      watching.delete(id)
    },
    watched: () => watching.keys(),
    get watchers() {
      return [...watching.values()].reduce((sum, all) => sum + all.size, 0)
    },
    close() {
      clearInterval(keepAlive)
      for (const id of watching.keys()) this.end(id)
    },
  }
}

/** JSON has no line break of its own, so one line holds it. */
function eventText(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
