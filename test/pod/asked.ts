// The daemon of a pod, asked from outside by whom a certificate names.

import fs from 'node:fs'
import https from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { readStacks } from '../command.ts'
import type { Pair } from '../http/authority.ts'

export interface Capture {
  readonly tool: string
  readonly status: string
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at the part that it is about
  readonly receipt: any
  /** Of all samples, in stacks that hold this frame. */
  share(name: RegExp): number
}

export interface Asked {
  // biome-ignore lint/suspicious/noExplicitAny: as above
  get(path: string): Promise<any>
  // biome-ignore lint/suspicious/noExplicitAny: as above
  post(path: string, body: object): Promise<any>
  targets(): Promise<readonly { readonly pid: number; readonly comm: string }[]>
  /** Asks for two seconds, and waits for them. */
  capture(pid: number): Promise<Capture>
}

export function asked(port: number, who: Pair & { readonly ca: string }): Asked {
  const [cert, key, ca] = [who.cert, who.key, who.ca].map(file => fs.readFileSync(file))
  const text = (method: string, path: string, body?: object): Promise<string> =>
    new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-type': 'application/json' }
      const to = { host: '127.0.0.1', port, path, method, cert, key, ca, headers }
      const request = https.request({ ...to, servername: 'profiler' }, response => {
        let all = ''
        response.setEncoding('utf8')
        response.on('data', piece => (all += piece))
        response.on('end', () => resolve(all))
      })
      request.on('error', reject)
      request.end(body === undefined ? undefined : JSON.stringify(body))
    })
  const json = async (...ask: Parameters<typeof text>) => JSON.parse(await text(...ask))
  return {
    get: path => json('GET', path),
    post: (path, body) => json('POST', path, body),
    targets: async () => (await json('GET', '/v1/targets')).targets,
    async capture(pid) {
      const ask = { target: { pid }, seconds: 2 }
      const view = await json('POST', '/v1/captures', ask)
      if (view.href === undefined) throw new Error(JSON.stringify(view))
      for (;;) {
        const now = await json('GET', view.href)
        if (now.state === 'failed') throw new Error(JSON.stringify(now.problem))
        if (now.state === 'finished') {
          const folded = await text('GET', `${view.href}/artefacts/profile.folded`)
          const stacks = readStacks(folded)
          const { receipt } = now
          const [tool] = Object.keys(receipt.record.tools)
          const share = (name: RegExp) => stacks.share(name)
          return { tool: tool!, status: now.state, receipt, share }
        }
        await sleep(200)
      }
    },
  }
}
