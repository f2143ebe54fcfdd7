import { expect, test } from 'vitest'
import { ByteTable, hashOf } from '../../agent/profile/byte-table.ts'
import { wholeLines } from '../../agent/profile/lines.ts'
import { random } from '../random.ts'

async function blocks(chunks: Iterable<Uint8Array>): Promise<string[]> {
  const found: string[] = []
  for await (const { bytes, end } of wholeLines(chunks)) found.push(bytes.toString('utf8', 0, end))
  return found
}

const text = '\ufeffone\n\ntwo 🔥\nthree\r\nlast'

test.for([1, 2, 3, 5, 7, 100])('lines are whole in chunks of %i bytes', async size => {
  const bytes = Buffer.from(text)
  const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  )
  const found = await blocks(chunks)
  expect(found.join('')).toBe('one\n\ntwo 🔥\nthree\r\nlast\n')
  expect(found.every(block => block.endsWith('\n'))).toBe(true)
})

test('only a line that the input cuts is unfinished', async () => {
  const unfinished: boolean[] = []
  for await (const block of wholeLines([Buffer.from('a\nb\n'), Buffer.from('c')])) {
    unfinished.push(block.unfinished)
  }
  expect(unfinished).toEqual([false, true])
  expect(await blocks([])).toEqual([])
})

test('a line longer than the buffer is one line', async () => {
  const long = 'x'.repeat(1_000_000)
  expect((await blocks([Buffer.from(long), Buffer.from('y\nz\n')])).join('')).toBe(`${long}y\nz\n`)
})

test('bytes have one id under one tag, however many there are', () => {
  const table = new ByteTable()
  const { integer } = random(3)
  const words = Array.from({ length: 50_000 }, (_, index) => `${index} ${'ab'.repeat(integer(20))}`)
  const padded = Buffer.from(`${words.join('')}        `)
  const view = new DataView(padded.buffer, padded.byteOffset, padded.length)
  for (const pass of ['added', 'found']) {
    let start = 0
    for (const [index, word] of words.entries()) {
      const end = start + word.length
      const hash = hashOf(view, start, end, 1)
      const id = table.find(view, start, end, 1, hash)
      if (pass === 'added')
        expect([id, table.add(padded, start, end, 1, hash)]).toEqual([-1, index])
      else expect(id).toBe(index)
      start = end
    }
  }
  expect(table.find(view, 0, words[0]!.length, 2, hashOf(view, 0, words[0]!.length, 2))).toBe(-1)
})

test('a table that is full says so and can be emptied', () => {
  const table = new ByteTable()
  const bytes = Buffer.alloc(1024 * 1024 + 8)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let added = 0
  for (; !table.isFull; added++) {
    bytes.writeUInt32LE(added, 0)
    table.add(bytes, 0, 1024 * 1024, 0, hashOf(view, 0, 1024 * 1024, 0))
  }
  expect(added).toBe(33)
  table.clear()
  expect(table.isFull).toBe(false)
  expect(table.find(view, 0, 1024 * 1024, 0, hashOf(view, 0, 1024 * 1024, 0))).toBe(-1)
})
