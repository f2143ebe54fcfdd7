import { createHash } from 'node:crypto'
import { Script } from 'node:vm'
import { expect, test } from 'vitest'
import { renderSvg } from '../../agent/render/svg.ts'
import {
  viewerPolicy,
  viewerScript,
  viewerScriptSha256,
  viewerStyle,
} from '../../agent/render/viewer.ts'
import { pageOf, profileOf } from './example.ts'

test('the script parses, is strict, and is at most 10 KB', () => {
  expect(() => new Script(viewerScript)).not.toThrow()
  expect(viewerScript).toMatch(/^(['"])use strict\1\n/)
  expect(Buffer.byteLength(viewerScript)).toBeLessThanOrEqual(10 * 1024)
})

test('script and style need no escaping where they stand', () => {
  expect(viewerScript).not.toContain(']]>')
  expect(viewerStyle).not.toMatch(/[<&]|\]\]>/)
})

test('the hash is of what stands between the tags', () => {
  const profile = profileOf('main 1')
  const svg = renderSvg(profile, pageOf(profile))
  const script = /<script><!\[CDATA\[(.*)\]\]><\/script>/s.exec(svg)![1]!
  expect(createHash('sha256').update(script).digest('base64')).toBe(viewerScriptSha256)
  expect(viewerPolicy).toContain(`'sha256-${viewerScriptSha256}'`)
})

test('the script neither makes markup from text nor asks for anything', () => {
  expect(viewerScript).not.toMatch(
    /innerHTML|outerHTML|insertAdjacent|document\.write|eval|Function\(/,
  )
  expect(viewerScript).not.toMatch(
    /fetch|XMLHttp|import|WebSocket|sendBeacon|Worker|storage|cookie/i,
  )
  expect(viewerStyle).not.toMatch(/url\((?!#)|@import|@font-face/)
})
