// The spool: what waits is there whole or not at all, one process has it at a time, and nothing odd is sent.

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { readConfig, type Settings } from '../../agent/config.ts'
import { sendSpooled } from '../../agent/publish/send-spooled.ts'
import {
  checkSpool,
  claim,
  listSpool,
  release,
  remove,
  type Spooled,
  spool,
  spoolFolder,
} from '../../agent/publish/spool.ts'
import type { SpoolEntry } from '../../agent/publish/spool-entry.ts'
import { passed } from '../passed.ts'
import { temporaryFolder } from '../temporary.ts'

const files = [passed('flame.svg', '<svg/>'), passed('manifest.json', '{}')]

interface Place {
  readonly settings: Settings
  /** Where it all goes when it is sent. */
  readonly out: string
}

function place(more: Record<string, unknown> = {}): Place {
  const { settings } = readConfig({ spool: temporaryFolder(), ...more }, {})
  return { settings, out: temporaryFolder() }
}

function entryOf(id: string, out: string): SpoolEntry {
  return {
    version: 1,
    id,
    to: `file:${out}`,
    place: `incidents/INC-1/${id}`,
    spooledAt: '2026-11-23T11:42:00.000Z',
    files: files.map(({ name, bytes, sha256 }) => ({ name, bytes: bytes.length, sha256 })),
  }
}

/** An entry that waits for whoever takes it. @returns its folder */
async function waiting(id: string, { settings, out }: Place): Promise<string> {
  return release(await spool(entryOf(id, out), files, settings))
}

function published(out: string): string[] {
  return fs.readdirSync(out, { recursive: true, encoding: 'utf8' }).filter(name => /\./.test(name))
}

describe('an entry', () => {
  test('is for its owner alone, and sent once', async () => {
    const here = place()
    const folder = await waiting('one', here)
    expect(fs.statSync(folder).mode & 0o777).toBe(0o700)
    for (const name of fs.readdirSync(folder)) {
      expect(fs.statSync(path.join(folder, name)).mode & 0o777).toBe(0o600)
    }
    const outcomes = await sendSpooled(here.settings)
    expect(outcomes).toEqual([
      { kind: 'sent', id: 'one', place: `file:${here.out}/incidents/INC-1/one` },
    ])
    expect(published(here.out).map(name => path.basename(name))).toEqual([
      'flame.svg',
      'manifest.json',
    ])
    expect(fs.readdirSync(spoolFolder(here.settings))).toEqual([])
    expect(await sendSpooled(here.settings)).toEqual([])
  })

  test('that has arrived is done, although a kill kept us from removing it', async () => {
    const here = place()
    for (let times = 0; times < 2; times++) {
      await waiting('one', here)
      expect(await sendSpooled(here.settings)).toMatchObject([{ kind: 'sent' }])
    }
    expect(published(here.out)).toHaveLength(2)
  })

  test('under whose name others are, waits', async () => {
    const here = place()
    await waiting('one', here)
    const there = path.join(here.out, 'incidents/INC-1/one')
    fs.mkdirSync(there, { recursive: true })
    fs.writeFileSync(path.join(there, 'manifest.json'), 'mine')
    expect(await sendSpooled(here.settings)).toMatchObject([
      { kind: 'waits', error: { code: 'SP_OUTPUT_EXISTS' } },
    ])
    expect(fs.readFileSync(path.join(there, 'manifest.json'), 'utf8')).toBe('mine')
    expect(await listSpool(here.settings)).toMatchObject([{ id: 'one', sentBy: undefined }])
  })

  test('is sent after those that are older', async () => {
    const here = place()
    for (const id of ['20261123-c', '20261122-b', '20261121-a']) await waiting(id, here)
    const ids = (await sendSpooled(here.settings)).map(({ id }) => id)
    expect(ids).toEqual(['20261121-a', '20261122-b', '20261123-c'])
  })
})

describe('of several that would send it', () => {
  test('one has it', async () => {
    const here = place()
    await waiting('one', here)
    const [seen] = (await listSpool(here.settings)) as [Spooled]
    const claims = await Promise.all(Array.from({ length: 16 }, () => claim(seen)))
    expect(claims.filter(each => each !== undefined)).toHaveLength(1)
    expect(await listSpool(here.settings)).toMatchObject([{ id: 'one', sentBy: process.pid }])
    expect(await sendSpooled(here.settings)).toEqual([
      { kind: 'taken', id: 'one', pid: process.pid },
    ])
  })

  test('a living process keeps it, a dead one does not', async () => {
    const here = place()
    const spooled = await spool(entryOf('one', here.out), files, here.settings)
    const dead = spooled.folder.replace(`@${process.pid}-`, `@${spawnSync('true').pid}-`)
    fs.renameSync(spooled.folder, dead)
    expect(await sendSpooled(here.settings)).toMatchObject([{ kind: 'sent' }])
  })

  test.for([
    ['another process with its pid', /-(\d+)-/, '-1-'],
    ['one from before the machine started', /-[0-9a-f]{8}$/, '-00000000'],
    ['one whose name is nonsense', /@.*/, '@nobody'],
  ] as const)('%s does not keep it', async ([, part, other]) => {
    const here = place()
    const { folder } = await spool(entryOf('one', here.out), files, here.settings)
    fs.renameSync(
      folder,
      path.join(path.dirname(folder), path.basename(folder).replace(part, other)),
    )
    expect(await sendSpooled(here.settings)).toMatchObject([{ kind: 'sent', id: 'one' }])
  })

  test('what a dead one was writing or removing is nothing, what a living one is, is left', async () => {
    const here = place()
    const mine = await spool(entryOf('mine', here.out), files, here.settings)
    const folder = spoolFolder(here.settings)
    const writing = `.${path.basename(mine.folder)}`
    fs.renameSync(mine.folder, path.join(folder, writing))
    fs.mkdirSync(path.join(folder, '.two@1-1-00000000'))
    expect(await listSpool(here.settings)).toEqual([])
    expect(fs.readdirSync(folder)).toEqual([writing])
  })

  test('the faster may have sent it', async () => {
    const here = place()
    await waiting('one', here)
    const [seen] = (await listSpool(here.settings)) as [Spooled]
    await remove((await claim(seen))!)
    expect(await claim(seen)).toBeUndefined()
  })
})

describe('what is odd', () => {
  const damages: readonly (readonly [string, string, (folder: string) => void])[] = [
    [
      'a file that was cut',
      'flame.svg has not the size',
      folder => {
        fs.truncateSync(path.join(folder, 'flame.svg'), 3)
      },
    ],
    [
      'a file that was changed',
      'flame.svg is not what the gate passed',
      folder => {
        fs.writeFileSync(path.join(folder, 'flame.svg'), '<SVG/>')
      },
    ],
    [
      'a file that is gone',
      'flame.svg cannot be read: ENOENT',
      folder => {
        fs.rmSync(path.join(folder, 'flame.svg'))
      },
    ],
    [
      'a file that is a link',
      'flame.svg cannot be read: it is a link',
      folder => {
        fs.renameSync(path.join(folder, 'flame.svg'), path.join(folder, 'other'))
        fs.symlinkSync('other', path.join(folder, 'flame.svg'))
      },
    ],
    [
      'a file with two names',
      'flame.svg is no file of its own',
      folder => {
        fs.linkSync(path.join(folder, 'flame.svg'), path.join(folder, 'other'))
      },
    ],
    [
      'a file that is a pipe',
      'flame.svg is no file of its own',
      folder => {
        fs.rmSync(path.join(folder, 'flame.svg'))
        spawnSync('mkfifo', [path.join(folder, 'flame.svg')])
      },
    ],
    [
      'no list of files',
      'entry.json cannot be read: ENOENT',
      folder => {
        fs.rmSync(path.join(folder, 'entry.json'))
      },
    ],
    [
      'a list that was cut',
      'entry.json is not JSON',
      folder => {
        fs.truncateSync(path.join(folder, 'entry.json'), 20)
      },
    ],
    [
      'a list of a gigabyte',
      'entry.json is too large',
      folder => {
        fs.truncateSync(path.join(folder, 'entry.json'), 2 ** 20)
      },
    ],
    [
      'a folder that others can look into',
      'it is open to others',
      folder => {
        fs.chmodSync(folder, 0o755)
      },
    ],
  ]

  test.for(damages)(
    '(%s) is set aside, told, and not sent; the next is',
    async ([, words, damage]) => {
      const here = place()
      damage(await waiting('1-odd', here))
      await waiting('2-good', here)
      const outcomes = await sendSpooled(here.settings)
      expect(outcomes).toMatchObject([
        { kind: 'damaged', id: '1-odd', error: { code: 'SP_SPOOL_DAMAGED', exit: 1 } },
        { kind: 'sent', id: '2-good' },
      ])
      const { error } = outcomes[0] as { error: Error & { facts: Record<string, string> } }
      expect(error.message).toContain(words)
      expect(fs.existsSync(error.facts['set aside in']!)).toBe(true)
      expect(published(here.out).join()).not.toContain('1-odd')
      expect(await sendSpooled(here.settings)).toEqual([])
    },
  )

  const changes: readonly (readonly [string, (entry: Record<string, unknown>) => void])[] = [
    ['a place outside', entry => Object.assign(entry, { place: 'incidents/../../x' })],
    ['a place above', entry => Object.assign(entry, { place: 'incidents/..x/y..' })],
    ['another version', entry => Object.assign(entry, { version: 2 })],
    ['a destination with a password', entry => Object.assign(entry, { to: 's3://a:b@bucket' })],
    [
      'a file elsewhere',
      entry => {
        Object.assign(entry, { files: [{ name: '../../x', bytes: 1, sha256: '0'.repeat(64) }] })
      },
    ],
    ['no file', entry => Object.assign(entry, { files: [] })],
    [
      'the same file twice',
      entry => {
        const [file] = entry['files'] as object[]
        Object.assign(entry, { files: [file, file] })
      },
    ],
  ]

  test.for(changes)('(a list with %s) is set aside', async ([, change]) => {
    const here = place()
    const file = path.join(await waiting('one', here), 'entry.json')
    const entry = JSON.parse(fs.readFileSync(file, 'utf8'))
    change(entry)
    fs.writeFileSync(file, JSON.stringify(entry))
    expect(await sendSpooled(here.settings)).toMatchObject([
      { kind: 'damaged', error: { message: expect.stringContaining('not one of ours') } },
    ])
  })

  test('(a link and a file instead of a folder) is set aside', async () => {
    const here = place()
    await checkSpool(here.settings)
    const folder = spoolFolder(here.settings)
    const elsewhere = await waiting('elsewhere', place())
    fs.symlinkSync(elsewhere, path.join(folder, 'link'))
    fs.writeFileSync(path.join(folder, 'file'), '')
    expect(await sendSpooled(here.settings)).toMatchObject([
      { kind: 'damaged', id: 'file' },
      { kind: 'damaged', id: 'link' },
    ])
    expect(fs.existsSync(path.join(elsewhere, 'entry.json'))).toBe(true)
  })

  test('(what cannot even be set aside) keeps nothing else from being sent', async () => {
    const here = place()
    fs.rmSync(path.join(await waiting('1-odd', here), 'flame.svg'))
    await waiting('2-good', here)
    fs.writeFileSync(path.join(spoolFolder(here.settings), 'damaged'), 'a file')
    expect(await sendSpooled(here.settings)).toMatchObject([
      { kind: 'damaged', id: '1-odd' },
      { kind: 'sent', id: '2-good' },
    ])
  })

  test.skipIf(process.getuid!() !== 0)('(somebody else’s) is set aside', async () => {
    const here = place()
    fs.chownSync(await waiting('theirs', here), 1000, 1000)
    const file = path.join(await waiting('theirs-too', here), 'flame.svg')
    fs.chownSync(file, 1000, 1000)
    const outcomes = await sendSpooled(here.settings)
    expect(outcomes.map(({ kind }) => kind)).toEqual(['damaged', 'damaged'])
  })

  test('(a spool that is open to others) is not read', async () => {
    const here = place()
    await waiting('one', here)
    fs.chmodSync(spoolFolder(here.settings), 0o777)
    await expect(sendSpooled(here.settings)).rejects.toMatchObject({ code: 'SP_OUTPUT_FAILED' })
  })
})

describe('the limits', () => {
  test('are told before anything is captured', async () => {
    const here = place({ spoolMaxEntries: 2 })
    await checkSpool(here.settings)
    for (const id of ['one', 'two']) await waiting(id, here)
    await expect(checkSpool(here.settings)).rejects.toMatchObject({
      code: 'SP_SPOOL_FULL',
      exit: 7,
      message: expect.stringMatching(/is full: 2 captures of \d+ bytes wait in it \(limits: 2, /),
    })
    await sendSpooled(here.settings)
    await checkSpool(here.settings)
  })

  test('are told where no folder can be made, and it is not tried for ever', async () => {
    const { settings } = place({ spool: '/proc/x/spool' })
    await expect(checkSpool(settings)).rejects.toMatchObject({ code: 'SP_OUTPUT_FAILED' })
  })

  test('are of bytes too', async () => {
    const here = place({ spoolMaxBytes: '1MB' })
    await checkSpool(here.settings, 2 ** 20)
    await expect(checkSpool(here.settings, 2 ** 20 + 1)).rejects.toThrow('is full')
    const large = [passed('profile.folded', Buffer.alloc(2 ** 20 + 1))]
    const entry = entryOf('large', here.out)
    await expect(spool(entry, large, here.settings)).rejects.toThrow('is full')
    expect(fs.readdirSync(spoolFolder(here.settings))).toEqual([])
  })

  test('hold for what was set aside, which takes room as well', async () => {
    const here = place({ spoolMaxEntries: 1 })
    fs.rmSync(path.join(await waiting('one', here), 'flame.svg'))
    await sendSpooled(here.settings)
    await expect(checkSpool(here.settings)).rejects.toThrow('is full: 1 captures')
  })
})
