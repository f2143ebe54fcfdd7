// The daemon's page in a real Chromium: it asks for the token, shows a capture while it
// runs and its picture when it is over, and nothing on it runs that is not its own.

import fs from 'node:fs'
import { type Browser, chromium, type Page as Tab } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compile, missing, start, untilBusy } from '../apps/apps.ts'
import { type Daemon, startDaemon } from './daemon.ts'

const executablePath = '/usr/bin/chromium'
const lacking = [
  ...missing('perf', 'cc', 'setpriv'),
  ...(fs.existsSync(executablePath) ? [] : [executablePath]),
]
const skipped = lacking.length === 0 ? '' : ` (skipped: ${lacking.join(', ')} missing)`

describe.skipIf(skipped !== '')(`the page in Chromium${skipped}`, () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath,
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    })
  })
  afterAll(() => browser?.close())

  /** Everything that the console says but requests that were answered with an error. */
  async function enter(daemon: Daemon, troubles: string[]): Promise<Tab> {
    const tab = await browser.newPage()
    tab.on('console', message => {
      if (!message.text().startsWith('Failed to load resource')) troubles.push(message.text())
    })
    tab.on('pageerror', error => troubles.push(error.message))
    await tab.goto(`http://127.0.0.1:${daemon.port}/`)
    await tab.fill('input[name=token]', daemon.token)
    await tab.click('button')
    await tab.waitForSelector('#running-title')
    return tab
  }

  test('shows a capture while it runs, and its picture afterwards', async () => {
    const { pid } = start(compile('burn'), ['120'])
    await untilBusy(pid)
    const daemon = await startDaemon()
    const troubles: string[] = []
    const tab = await enter(daemon, troubles)
    const body = { target: { pid }, seconds: 12, incident: 'INC-page' }
    const { json } = await daemon.ask('POST', '/v1/captures', { body })
    await tab.waitForSelector('article .top span')
    // It gets its source when the picture has been loaded.
    await tab.waitForSelector('article img[src]')
    expect(await tab.textContent('article h3')).toContain(`Process ${pid}, cpu, 99 Hz`)
    expect(await tab.textContent('article .top')).toMatch(/\d %burn|\d %[a-z_]+/)
    await daemon.untilOver(json.id)
    await tab.waitForSelector('#finished tr')
    expect(await tab.textContent('#finished')).toContain('INC-page')
    await tab.click('text=flame.svg')
    // In a frame of its own, with its own script at work and none of the page's rights.
    const picture = tab.frameLocator('#picture')
    await picture.locator('svg.flame title').first().waitFor({ state: 'attached' })
    await picture.locator('input').first().fill('burn')
    await picture.locator('output', { hasText: 'found' }).first().waitFor()
    expect(troubles).toEqual([])
    await tab.close()
  })

  test('lets nobody in with another token, and keeps it from scripts', async () => {
    const daemon = await startDaemon()
    const context = await browser.newContext()
    const tab = await context.newPage()
    await tab.goto(`http://127.0.0.1:${daemon.port}/`)
    await tab.fill('input[name=token]', 'wrong')
    await tab.click('button')
    expect(await tab.textContent('body')).toContain('SP_UNAUTHENTICATED')
    expect(await context.cookies()).toEqual([])
    await tab.goto(`http://127.0.0.1:${daemon.port}/`)
    await tab.fill('input[name=token]', daemon.token)
    await tab.click('button')
    await tab.waitForSelector('#running-title')
    expect(await tab.evaluate('document.cookie')).toBe('')
    expect(await context.cookies()).toMatchObject([{ httpOnly: true, sameSite: 'Strict' }])
    // What the cookie is good for is looking.
    const status = await tab.evaluate(
      "fetch('/v1/captures', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }).then(answer => answer.status)",
    )
    expect(status).toBe(401)
    await context.close()
  })
})
