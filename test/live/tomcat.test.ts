// A real, ordinary application: a Tomcat under a small load, captured by the real command.

import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { describeWith } from '../apps/apps.ts'
import { compileJava, leftIn, startJava } from '../apps/jvm.ts'
import { publish } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

const cache = path.resolve(import.meta.dirname, '../../.cache/maven/org/apache/tomcat')
const jars = fs.existsSync(cache)
  ? fs
      .readdirSync(cache, { recursive: true, encoding: 'utf8' })
      .filter(file => file.endsWith('.jar'))
      .map(file => path.join(cache, file))
  : []

/** One connection after the other asks for these, until the test has ended. */
function load(port: number, paths: readonly string[]): void {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  let isOver = false
  onTestFinished(() => {
    isOver = true
    agent.destroy()
  })
  const request = (count: number) => {
    if (isOver) return
    http
      .get({ host: '127.0.0.1', port, path: paths[count % paths.length]!, agent }, response => {
        response.resume().on('end', () => request(count + 1))
      })
      .on('error', () => {})
  }
  request(0)
}

/** A frame of this name, however it ran. */
function named(name: string): RegExp {
  return new RegExp(`^${name.replaceAll('.', '\\.')}(?:_\\[.\\])?$`)
}

describeWith(['java', 'javac', 'asprof', 'setpriv', 'root'], 'a Tomcat', () => {
  const skipped = jars.length < 2 ? ' (skipped for want of Tomcat: see scripts/setup)' : ''
  test.skipIf(skipped !== '')(`under load has every frame named${skipped}`, async () => {
    const java = await startJava(compileJava('Shop', jars), ['Shop', '60'], {
      cwd: temporaryFolder(),
    })
    while (!/^\d+\n/.test(java.said())) await sleep(50)
    load(Number.parseInt(java.said(), 10), ['/search', '/checkout', '/'])
    await sleep(1500)
    const { folded, receipt } = await publish(['record', `${java.pid}`, '-d', '4', '-F', '999'])
    expect(receipt.quality.unknownLeaf).toBeLessThan(0.05)
    expect(receipt.quality.achievedHertz).toBeGreaterThan(750)
    // Beside it the JIT is at work, for the program is young.
    const served = folded.share(named('java.lang.Thread.run'))
    expect(served).toBeGreaterThan(0.15)
    // The whole way from the thread to the servlet. A third of it is reading and writing.
    const way = [
      'org.apache.tomcat.util.threads.ThreadPoolExecutor.runWorker',
      'org.apache.coyote.http11.Http11Processor.service',
      'jakarta.servlet.http.HttpServlet.service',
    ]
    for (const name of way) {
      expect(folded.share(named(name)) / served, name).toBeGreaterThan(0.35)
    }
    expect(folded.share(/^Shop\$(?:Search|Checkout|Page)\./) / served).toBeGreaterThan(0.35)
    expect(leftIn(java.pid)).toEqual([])
  })
})
