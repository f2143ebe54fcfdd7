// What is kept of segments, and what stands in the way of keeping it.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Segment } from '../../agent/capture/capture.ts'
import { openRawFile } from '../../agent/capture/keep-raw.ts'
import { describeWith } from '../apps/apps.ts'
import { temporaryFolder } from '../temporary.ts'

function segment(format: string, text: string, more: Partial<Segment> = {}): Segment {
  return {
    format,
    chunks: (async function* () {
      for (const letter of text) yield Buffer.from(letter)
    })(),
    ...more,
  }
}

async function* listed(segments: readonly Segment[]): AsyncGenerator<Segment> {
  yield* segments
}

/** Reads them as a reader would, and says what came through. */
async function readThrough(segments: AsyncIterable<Segment>): Promise<string[]> {
  const read: string[] = []
  for await (const { chunks } of segments) {
    let text = ''
    for await (const chunk of chunks) text += Buffer.from(chunk).toString()
    read.push(text)
  }
  return read
}

async function keep(segments: readonly Segment[], name = path.join(temporaryFolder(), 'raw')) {
  const raw = await openRawFile(name, false)
  const read = await readThrough(raw.keep(listed(segments)))
  const said = await raw.close()
  const folder = path.dirname(name)
  const files = fs.readdirSync(folder).sort()
  const texts = files.map(file => fs.readFileSync(path.join(folder, file), 'utf8'))
  return { name, read, said, files, texts, folder }
}

describe('what a tool gave', () => {
  test('is kept as its reader read it, for its owner alone', async () => {
    const { name, read, said, texts } = await keep([segment('perf.data', 'PERFILE2…')])
    expect(read).toEqual(['PERFILE2…'])
    expect(texts).toEqual(['PERFILE2…'])
    expect(fs.statSync(name).mode & 0o777).toBe(0o600)
    expect(said).toContain(`perf.data, 1 KB) in ${name}. Nothing in it is redacted`)
  })

  test('in segments of text is one file, each on lines of its own', async () => {
    const { texts } = await keep([segment('py-spy raw', 'a 1'), segment('py-spy raw', 'b 2\n')])
    expect(texts).toEqual(['a 1\nb 2\n'])
  })

  test('in segments that are each a whole is a file each', async () => {
    const { files, texts, said } = await keep([
      segment('pprof', 'one'),
      segment('pprof', 'two'),
      segment('pprof', 'three'),
    ])
    expect(files).toEqual(['raw', 'raw.1', 'raw.2'])
    expect(texts).toEqual(['one', 'two', 'three'])
    expect(said).toContain('raw and 2 more, to ')
  })

  test('in a dump that holds the ones before is the last dump', async () => {
    const dump = (text: string) => [
      segment('asprof bytes', text, { supersedes: true }),
      segment('asprof events', `${text}!`),
    ]
    const { texts } = await keep([...dump('a longer one'), ...dump('short')])
    expect(texts).toEqual(['short\n', 'short!\n'])
  })

  test('within something of ours is kept without that', async () => {
    const raw = { format: 'cpuprofile', bytes: () => Buffer.from('{}') }
    const { read, texts } = await keep([segment('cpuprofile of a thread', '{"ours":{}}', { raw })])
    expect(read).toEqual(['{"ours":{}}'])
    expect(texts).toEqual(['{}'])
  })

  test('before the sampling was begun anew is dropped', async () => {
    const name = path.join(temporaryFolder(), 'raw')
    const raw = await openRawFile(name, false)
    await readThrough(raw.keep(listed([segment('pprof', 'first'), segment('pprof', 'second')])))
    await readThrough(raw.keep(listed([segment('perf.data', 'anew')])))
    expect(await raw.close()).toContain('(perf.data, 1 KB)')
    expect(fs.readdirSync(path.dirname(name))).toEqual(['raw'])
    expect(fs.readFileSync(name, 'utf8')).toBe('anew')
  })

  test('is nothing: then there is no file', async () => {
    const { files, said } = await keep([])
    expect(files).toEqual([])
    expect(said).toBe(undefined)
  })

  test('is removed when it was discarded', async () => {
    const name = path.join(temporaryFolder(), 'raw')
    const raw = await openRawFile(name, false)
    await readThrough(raw.keep(listed([segment('pprof', 'one'), segment('pprof', 'two')])))
    await raw.remove()
    expect(await raw.close()).toBe(undefined)
    expect(fs.readdirSync(path.dirname(name))).toEqual([])
  })
})

describe('in the way', () => {
  test('is a file that exists: said before anything is sampled', async () => {
    const name = path.join(temporaryFolder(), 'raw')
    fs.writeFileSync(name, 'mine')
    await expect(openRawFile(name, false)).rejects.toMatchObject({ code: 'SP_OUTPUT_EXISTS' })
    expect(fs.readFileSync(name, 'utf8')).toBe('mine')
    const raw = await openRawFile(name, true)
    await readThrough(raw.keep(listed([segment('pprof', 'new')])))
    await raw.close()
    expect(fs.readFileSync(name, 'utf8')).toBe('new')
  })

  test.for([false, true])('is a link, which is not followed (force: %s)', async force => {
    const folder = temporaryFolder()
    const name = path.join(folder, 'raw')
    fs.writeFileSync(path.join(folder, 'other'), 'mine')
    fs.symlinkSync('other', name)
    await expect(openRawFile(name, force)).rejects.toMatchObject({ code: 'SP_OUTPUT_EXISTS' })
    expect(fs.readFileSync(path.join(folder, 'other'), 'utf8')).toBe('mine')
  })

  test('is a folder that is not there', async () => {
    const name = path.join(temporaryFolder(), 'nowhere', 'raw')
    await expect(openRawFile(name, false)).rejects.toMatchObject({ code: 'SP_OUTPUT_FAILED' })
  })

  test('of a later segment costs that segment, not the capture', async () => {
    const name = path.join(temporaryFolder(), 'raw')
    fs.writeFileSync(`${name}.1`, 'mine')
    const segments = [segment('pprof', 'one'), segment('pprof', 'two')]
    const { read, said, texts } = await keep(segments, name)
    expect(read).toEqual(['one', 'two'])
    expect(said).toContain('It ends before its time')
    expect(said).toContain('it exists already')
    expect(texts).toEqual(['one', 'mine'])
  })
})

describeWith(['root', 'the right to unshare a mount namespace'], 'a disk that is full', () => {
  test('cuts what is kept, says so, and the reader gets everything', async () => {
    const folder = temporaryFolder()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'none', folder])
    try {
      const large = { format: 'perf.data', chunks: pieces(64) }
      const { read, said, texts } = await keep([large], path.join(folder, 'raw'))
      expect(read[0]).toHaveLength(64 * 1024)
      expect(said).toContain('It ends before its time: the disk is full.')
      expect(texts[0]!.length).toBe(8 * 1024)
    } finally {
      execFileSync('umount', [folder])
    }
  })
})

async function* pieces(count: number): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < count; index++) yield Buffer.alloc(1024, 'x')
}
