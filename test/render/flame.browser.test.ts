// The picture in a real Chromium: what a person does with it, and what a hostile name cannot.

import fs from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  type Browser,
  type BrowserContextOptions,
  chromium,
  type Page as Tab,
} from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { noCaller, type Profile, ProfileBuilder } from '../../agent/profile/profile.ts'
import type { Redacted } from '../../agent/redact/redacted.ts'
import { renderSvg } from '../../agent/render/svg.ts'
import { viewerPolicy } from '../../agent/render/viewer.ts'
import { temporaryFolder } from '../temporary.ts'
import { hostileNames, pageOf, profileOf } from './example.ts'

const executablePath = '/usr/bin/chromium'
const missing = fs.existsSync(executablePath)
  ? ''
  : ` (skipped: ${executablePath} is missing, \`apt-get install chromium\`)`

const folder = temporaryFolder()

const service = profileOf(`
  thread:api;main;serve;parse;kernel:read 20
  thread:api;main;serve;parse;Parse 20
  thread:api;main;serve;render;write 30
  thread:api;main;idle 10
  thread:api;start 20
`)

describe.skipIf(missing !== '')(`in Chromium${missing}`, () => {
  let browser: Browser
  let troubles: string[] = []

  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath,
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    })
  })
  afterAll(() => browser?.close())
  afterEach(async () => {
    await Promise.all(browser.contexts().map(context => context.close()))
    const found = troubles
    troubles = []
    expect(found).toEqual([])
  })

  /** Opens a picture as a file. Anything on the console and any request fails the test. */
  async function open(profile: Redacted<Profile>, options: BrowserContextOptions = {}, hash = '') {
    const file = path.join(folder, 'flame.svg')
    fs.writeFileSync(file, renderSvg(profile, pageOf(profile)))
    return visit(pathToFileURL(file).href + hash, options)
  }

  async function visit(url: string, options: BrowserContextOptions = {}): Promise<Tab> {
    const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options })
    const tab = await context.newPage()
    tab.on('console', message => troubles.push(message.text()))
    tab.on('pageerror', error => troubles.push(error.message))
    tab.on('request', request => {
      if (request.url() !== url.replace(/#.*/, '')) troubles.push(request.url())
    })
    await tab.goto(url)
    return tab
  }

  const frame = (tab: Tab, name: string) =>
    tab.locator('.graph g g', { hasText: `${name} [` }).first()
  const firstWord = (title: string) => title.split(' ')[0]
  const shown = async (tab: Tab) => {
    return (await tab.locator('.graph g g:not(.out) > title').allTextContents()).map(firstWord)
  }
  const status = (tab: Tab) => tab.locator('output').textContent()
  const focused = async (tab: Tab) => {
    return (await tab.locator('.graph g g:focus > title').allTextContents()).map(firstWord)[0]
  }
  const widthOf = async (tab: Tab, name: string) => {
    return Math.round(
      Number.parseFloat((await frame(tab, name).locator('rect').getAttribute('width'))!),
    )
  }

  async function search(tab: Tab, text: string): Promise<string | null> {
    await tab.locator('input').fill(text)
    // The search runs when typing pauses; a status that stays as it was is one as well.
    await tab.waitForTimeout(200)
    return status(tab)
  }

  describe('zoom', () => {
    test('fills the width with a frame, keeps its callers, hides the rest', async () => {
      const tab = await open(service)
      const whole = await widthOf(tab, 'api')
      await frame(tab, 'serve').click()
      expect(await widthOf(tab, 'serve')).toBe(whole)
      expect(await widthOf(tab, 'main')).toBe(whole)
      expect(await shown(tab)).toEqual([
        ...['all', 'api', 'main', 'serve', 'parse', 'render', 'Parse', 'read', 'write'],
      ])
      expect(await frame(tab, 'main').getAttribute('class')).toBe('path')
    })

    test('is undone by the button, by Escape and by going back', async () => {
      const tab = await open(service)
      const all = await shown(tab)
      for (const undo of [
        () => tab.getByText('Reset zoom').click(),
        () => tab.keyboard.press('Escape'),
        () => tab.goBack(),
      ]) {
        await frame(tab, 'serve').click()
        expect(await shown(tab)).not.toEqual(all)
        await undo()
        await expect.poll(() => shown(tab)).toEqual(all)
      }
    })

    test('is in the address, so that a link shows the same', async () => {
      const tab = await open(service)
      await frame(tab, 'render').click()
      const again = await visit(tab.url())
      expect(await shown(again)).toEqual(await shown(tab))
    })

    test.for([
      '#zoom=99999',
      '#zoom=-1',
      '#zoom=constructor',
      '#zoom=1.5',
      '#%',
      '#search=%E0%A4%A',
    ])('shows all when the address says %s', async hash => {
      expect(await shown(await open(service, {}, hash))).toHaveLength(11)
    })
  })

  describe('search', () => {
    test('is plain text that ignores case, and counts the width of a match on a match once', async () => {
      const tab = await open(profileOf('main;parse;Parse 30\nmain;Parse 10\nmain;x 60'))
      expect(await search(tab, 'PARSE')).toBe('3 found, 40.00 % of the width')
      expect(await search(tab, '.')).toBe('0 found, 0.00 % of the width')
      expect(await search(tab, '')).toBe('')
    })

    test('can match case', async () => {
      const tab = await open(service)
      await search(tab, 'Parse')
      await tab.getByRole('button', { name: 'Match case' }).click()
      expect(await status(tab)).toBe('1 found, 20.00 % of the width')
    })

    test('steps through its matches, forward and back', async () => {
      const tab = await open(service)
      await search(tab, 'parse')
      await tab.locator('input').press('Enter')
      expect(await status(tab)).toBe('1 of 2')
      await tab.locator('input').press('Enter')
      expect(await status(tab)).toBe('2 of 2')
      expect(await tab.locator('p').textContent()).toBe('Parse [native] (20 samples, 20.00 %)')
      await tab.locator('input').press('Shift+Enter')
      expect(await status(tab)).toBe('1 of 2')
      await tab.getByRole('button', { name: 'Next' }).click()
      expect(await status(tab)).toBe('2 of 2')
    })

    test('understands regular expressions', async () => {
      const tab = await open(service, {}, '#regexp=true')
      for (const [pattern, count] of [
        ['^parse$', 2],
        ['p.r+se|idle', 3],
        ['^(?:re(ad|nder))$', 2],
        ['[w-z]rite', 1],
        ['\\bstart\\b', 1],
        ['^.*?e$', 5],
      ] as const) {
        expect(await search(tab, pattern), pattern).toMatch(new RegExp(`^${count} found`))
      }
    })

    test('refuses in words what it cannot search for, and goes on working', async () => {
      const tab = await open(service, {}, '#regexp=true')
      for (const pattern of ['(', ')', '[', '*', 'a**', '\\', '\\1', '(?=a)', 'a{3}']) {
        expect(await search(tab, pattern), pattern).toMatch(/^(?!.* found).+/)
        expect(await search(tab, 'idle')).toBe('1 found, 10.00 % of the width')
      }
    })

    test.for(['(a+)+$', '(a|a)*$', '(.*)*x', 'a?'.repeat(30) + 'a'.repeat(30), '.*.*.*.*.*.*x'])(
      'is not stopped by %s, nor is a link that holds it',
      async pattern => {
        const long = profileOf(`main;${'a'.repeat(500)}! 1\nmain;${'a'.repeat(60)} 1`)
        const hash = `#regexp=true&search=${encodeURIComponent(pattern)}`
        const tab = await open(long, {}, hash)
        expect(await status(tab)).toMatch(/found|Too slow/)
        expect(await search(tab, 'main')).toContain('1 found')
      },
    )
  })

  describe('keys', () => {
    test('move to callee, caller and neighbour, zoom, and come home', async () => {
      const tab = await open(service)
      await tab.keyboard.press('Tab')
      while ((await focused(tab)) !== 'all') await tab.keyboard.press('Tab')
      const path: (string | undefined)[] = []
      for (const key of ['Up', 'Up', 'Up', 'Left', 'Right', 'Down']) {
        await tab.keyboard.press(`Arrow${key}`)
        path.push(await focused(tab))
      }
      expect(path).toEqual(['api', 'main', 'serve', 'idle', 'serve', 'main'])
      await tab.keyboard.press('Enter')
      expect(await status(tab)).toBe('Shown: main')
      await tab.keyboard.press('Home')
      expect(await focused(tab)).toBe('all')
    })

    test('reach the search, and the flip turns them round', async () => {
      const tab = await open(service)
      for (const key of ['/', 'Control+f']) {
        await frame(tab, 'main').click()
        await tab.keyboard.press(key)
        expect(await tab.locator('input:focus').count()).toBe(1)
        await tab.keyboard.press('Escape')
        expect(await focused(tab)).toBe('main')
      }
      await tab.keyboard.press('i')
      const [root, callee] = [frame(tab, 'api'), frame(tab, 'main')]
      expect((await root.boundingBox())!.y).toBeLessThan((await callee.boundingBox())!.y)
      await tab.keyboard.press('ArrowDown')
      expect(await focused(tab)).toBe('serve')
    })

    test('are explained', async () => {
      const tab = await open(service)
      await tab.keyboard.press('?')
      expect(await tab.locator('p').textContent()).toContain('Esc shows all')
    })

    test('typed into the search are text', async () => {
      const tab = await open(service)
      await tab.locator('input').pressSequentially('in?/')
      expect(
        await tab
          .locator('input')
          .evaluate(element => (element as unknown as { value: string }).value),
      ).toBe('in?/')
    })
  })

  test('the root is in the window at first, and a match that was stepped to', async () => {
    const deep = profileOf(
      `${Array.from({ length: 36 }, (_, level) => `level${level}`).join(';')} 9`,
    )
    for (const height of [700, 1200]) {
      const tab = await open(deep, { viewport: { width: 1200, height } })
      const isInWindow = async (name: string) => {
        const { y } = (await frame(tab, name).boundingBox())!
        return y >= 0 && y + 17 <= height
      }
      const root = (await tab.locator('.graph g g').first().boundingBox())!
      expect(root.y + 17, `${height}`).toBeLessThanOrEqual(height)
      await tab.locator('input').fill('level35')
      await tab.locator('input').press('Enter')
      expect(await isInWindow('level35'), `${height}`).toBe(true)
      expect(await tab.locator('input:focus').count()).toBe(1)
    }
  })

  test('a touch zooms', async () => {
    const tab = await open(service, { hasTouch: true })
    await frame(tab, 'serve').tap()
    expect(await status(tab)).toBe('Shown: serve')
  })

  test('a screen reader finds a tree of frames, a table, and a status', async () => {
    const tab = await open(service)
    const session = await tab.context().newCDPSession(tab)
    const { nodes } = await session.send('Accessibility.getFullAXTree')
    const named = (role: string) =>
      nodes.filter(node => node.role?.value === role).map(node => node.name?.value)
    expect(named('tree')).toEqual(['Flame graph'])
    expect(named('treeitem')).toContain('parse [native] (40 samples, 40.00 %)')
    expect(named('table')).toEqual(['Top functions by their own weight'])
    expect(named('columnheader')).toEqual(['Self', 'Total', 'Kind', 'Function'])
    expect(named('searchbox')).toEqual(['Search functions'])
    expect(named('status')).toHaveLength(1)
    const serve = nodes.find(node => /^serve/.test(node.name?.value ?? ''))!
    expect(serve.properties!.find(({ name }) => name === 'level')!.value.value).toBe(4)
  })

  test('without scripts there is the graph, the verdict, the quality and the table', async () => {
    const tab = await open(service, { javaScriptEnabled: false })
    const words = (await tab.locator('text').allTextContents()).join('\n')
    for (const one of [
      'serve',
      'Mixed. A few functions',
      '! Usable with care',
      '30.00 %',
      'render',
    ]) {
      expect(words).toContain(one)
    }
  })

  test('labels stay within their frames, in any window and at any zoom', async () => {
    const names = Array.from(
      { length: 40 },
      (_, index) => `module::${'long'.repeat(index)}_${index}`,
    )
    const wide = profileOf(names.map((name, index) => `main;${name} ${index + 1}`).join('\n'))
    for (const width of [900, 2400]) {
      const tab = await open(wide, { viewport: { width, height: 900 } })
      for (const zoomed of [false, true]) {
        if (zoomed) await frame(tab, names[9]!).click({ position: { x: 2, y: 5 } })
        const boxes = await tab.locator('.graph g g:not(.out)').all()
        for (const one of boxes) {
          const label = one.locator('text')
          if ((await label.count()) === 0 || (await label.textContent()) === '') continue
          const [box, room] = [await label.boundingBox(), await one.locator('rect').boundingBox()]
          expect(box!.x + box!.width).toBeLessThanOrEqual(room!.x + room!.width + 1)
        }
      }
    }
  })

  describe('under a strict policy', () => {
    async function serve(
      svg: string,
      policy: string,
    ): Promise<{ url: string; server: http.Server }> {
      const server = http.createServer((request, response) => {
        if (request.url !== '/flame.svg') return response.writeHead(404).end()
        response.setHeader('content-type', 'image/svg+xml')
        response.setHeader('content-security-policy', policy)
        return response.end(svg)
      })
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
      const { port } = server.address() as AddressInfo
      return { url: `http://127.0.0.1:${port}/flame.svg`, server }
    }

    test('that allows the style and the hash of the script, all works', async () => {
      const { url, server } = await serve(renderSvg(service, pageOf(service)), viewerPolicy)
      const tab = await visit(url)
      await frame(tab, 'serve').click()
      expect(await status(tab)).toBe('Shown: serve')
      expect(await search(tab, 'parse')).toContain('2 found')
      server.close()
    })

    test('that allows nothing, frames still have colours, sizes and labels', async () => {
      const { url, server } = await serve(renderSvg(service, pageOf(service)), "default-src 'none'")
      const tab = await visit(url)
      const rect = frame(tab, 'serve').locator('rect')
      expect((await rect.boundingBox())!.height).toBe(17)
      expect(
        await tab.evaluate<string>(
          "getComputedStyle(document.querySelectorAll('.graph rect')[3]).fill",
        ),
      ).not.toBe('rgb(0, 0, 0)')
      expect(await frame(tab, 'serve').locator('text').textContent()).toBe('serve')
      // The browser says that it blocked both: that is what was asked for.
      expect(troubles.splice(0)).toHaveLength(2)
      server.close()
    })
  })

  describe('hostile names', () => {
    test('are parsed as text, run nothing, and can be searched and zoomed', async () => {
      const builder = new ProfileBuilder()
      const column = builder.column('cpu-clock', 'samples')
      for (const name of hostileNames) {
        const stack = builder.stack(noCaller, builder.frame({ name, kind: 'native' }))
        builder.add(stack, column, 10)
        builder.note(name)
      }
      const profile = builder.build() as Redacted<Profile>
      const file = path.join(folder, 'hostile.svg')
      for (const title of hostileNames.slice(0, 7)) {
        fs.writeFileSync(
          file,
          renderSvg(profile, pageOf(profile, { title, subtitle: hostileNames })),
        )
        const tab = await visit(pathToFileURL(file).href)
        expect(await tab.locator('.graph g g').count()).toBe(hostileNames.length + 1)
        expect(await tab.locator('script').count()).toBe(1)
        expect(await tab.locator('img, image, a, iframe').count()).toBe(0)
        expect(await tab.title()).not.toBe('broken')
        expect(await search(tab, '<script>')).toMatch(/^3 found/)
        await tab.locator('.graph g g', { hasText: '__proto__' }).first().click()
        expect(await status(tab)).toBe('Shown: __proto__')
      }
    })
  })

  test('the narrowest of 3,000 frames can be reached and zoomed', async () => {
    const lines = Array.from({ length: 2990 }, (_, index) => `main;f${index} ${1 + (index % 3)}`)
    const tab = await open(profileOf(`${lines.join('\n')}\nmain;needle 1`))
    expect(await search(tab, 'needle')).toMatch(/^1 found/)
    await tab.locator('input').press('Enter')
    await tab.locator('input').press('Escape')
    await tab.locator('input').press('Escape')
    await tab.keyboard.press('Enter')
    expect(await widthOf(tab, 'needle')).toBe(await widthOf(tab, 'main'))
  })
})
