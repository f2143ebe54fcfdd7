// From documented lines only: see the fixture's HOW.md.

import { expect, test } from 'vitest'
import { detectPhpspy, readPhpspy } from '../../agent/profile/phpspy.ts'
import { expectGolden, fixture, fixturesIn } from '../goldens.ts'
import { folded, hostileNames, readWith } from '../stacks.ts'

const read = (text: string | Uint8Array) => readWith(readPhpspy, text)

test.for(fixturesIn('phpspy/documented'))('%s folds as its golden says', async name => {
  const profile = await read(fixture(name))
  expectGolden(`${name}.folded.golden`, folded(profile))
  expect(JSON.stringify(profile.frames)).not.toContain('card')
})

test.for([
  [
    'Cart::total /srv/shop.php:12',
    { name: 'Cart::total', kind: 'interpreted', file: '/srv/shop.php' },
  ],
  ['sleep <internal>:-1', { name: 'sleep', kind: 'native' }],
  ['<main> <internal>:-1', { name: '<main>', kind: 'interpreted' }],
  [
    'f /srv/my shop/a 3:4.php:12',
    { name: 'f', kind: 'interpreted', file: '/srv/my shop/a 3:4.php' },
  ],
] as const)('%s is a frame with its file', async ([text, frame]) => {
  const { frames } = await read(`0 ${text}\t1 <main> /m.php:1\t\n`)
  expect(frames).toContainEqual(frame)
})

test('the leaf comes first, and depth 0 begins the next sample', async () => {
  expect(folded(await read('0 leaf /a.php:1\t1 <main> /a.php:9\t\n0 <main> /a.php:9\t\n'))).toBe(
    '<main> 1\n<main>;leaf 1\n',
  )
})

test('a sample that is cut keeps what it has, under a root that says so', async () => {
  const profile = await read('0 leaf /a.php:1\t1 caller /a.p\n')
  expect(folded(profile)).toBe('[cut by phpspy];leaf 1\n')
  expect(profile.notes.join()).toContain('1 stacks are longer')
})

test('what is no frame is counted as lost', async () => {
  const profile = await read('0 f /a.php:1\tgarbage\t\n')
  expect([...profile.loss]).toEqual([['that are no frames of phpspy', 1]])
})

test.for(hostileNames.filter(name => !name.includes(' ')))(
  'a function is a name like any other (%$)',
  async name => {
    const { frames } = await read(`0 ${name} /app.php:9\t\n`)
    expect(frames[0]).toEqual({ name, kind: 'interpreted', file: '/app.php' })
  },
)

test('is told by its first frame', () => {
  const detect = (text: string) => detectPhpspy(Buffer.from(text))
  expect(detect('0 f /a.php:1\t1 <main> /a.php:2\t\n')).toBe(true)
  expect(detect('0 f /a.php:1\n1 <main> /a.php:2\n')).toBe(true)
  expect(detect('# uri = /pay\n0 f /a.php:1\n')).toBe(true)
  expect(detect('0 main;work 5\n')).toBe(false)
  expect(detect('')).toBe(undefined)
})
