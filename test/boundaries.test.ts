// The architecture, held by a test: stages import only earlier ones, each
// dependency has one door, and only `runtimes/` knows a language's name.

import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { runtimes } from '../agent/runtimes/index.ts'

const agent = path.resolve(import.meta.dirname, '../agent')

// In the order in which a capture flows. What stands further down may import what stands above.
const stages = [
  'target',
  'runtimes',
  'plan',
  'capture',
  'profile',
  'symbolize',
  'redact',
  'render',
  'publish',
  'session',
  'http',
  'fleet',
]

// Files without a stage that every stage may import.
const shared = [
  'errors.ts',
  'config.ts',
  'config-serve.ts',
  'config-windows.ts',
  'log.ts',
  'version.ts',
]

/**
 * An ELF file is a format, not an action: fingerprints need its sections as
 * much as symbols do, and a second reader of it would be a worse one.
 */
const exceptions = new Set([
  'target/facts.ts → symbolize/elf.ts',
  'runtimes/dotnet.ts → symbolize/elf.ts',
  'runtimes/bun.ts → symbolize/elf.ts',
  'runtimes/go.ts → symbolize/elf.ts',
  'runtimes/native-image.ts → symbolize/elf.ts',
])

/** The only files that may import each package. */
const doors = new Map([
  ['execa', ['capture/run.ts']],
  ['tar', ['symbolize/bundle.ts']],
  ['@aws-sdk/client-s3', ['publish/s3.ts']],
  ['google-auth-library', ['publish/gcs.ts']],
  ['fastify', ['http/']],
  ['pino', ['log.ts']],
  ['zod', ['config.ts', 'config-serve.ts', 'config-windows.ts', 'http/wire.ts', 'fleet/']],
  // Tools; and our own programs, with the channel that hands over connections.
  ['node:child_process', ['capture/run.ts', 'session/fork.ts']],
])

const files = fs
  .readdirSync(agent, { recursive: true, encoding: 'utf8' })
  .filter(file => file.endsWith('.ts'))
  .map(file => ({ file, text: fs.readFileSync(path.join(agent, file), 'utf8') }))

const specifier =
  /^(?:import|export|\})[^'\n]* from '(?<named>[^']+)'|^import '(?<bare>[^']+)'|\bimport\('(?<late>[^']+)'\)/gm

const imports = files.flatMap(({ file, text }) =>
  [...text.matchAll(specifier)].map(({ groups }) => {
    return { file, from: groups!.named ?? groups!.bare ?? groups!.late! }
  }),
)

describe('stages', () => {
  test('import only earlier stages, errors, config and log', () => {
    const wrong = imports.flatMap(({ file, from }) => {
      const stage = stages.indexOf(file.split('/')[0]!)
      if (stage < 0 || !from.startsWith('.')) return []
      const target = path.posix.normalize(path.posix.join(path.posix.dirname(file), from))
      const edge = `${file} → ${target}`
      const isShared = shared.includes(target)
      const isEarlier =
        stages.includes(target.split('/')[0]!) && stages.indexOf(target.split('/')[0]!) <= stage
      return isShared || isEarlier || exceptions.has(edge) ? [] : [edge]
    })
    expect(wrong).toEqual([])
  })

  test('need every exception that is listed', () => {
    const edges = imports.map(({ file, from }) => {
      return `${file} → ${path.posix.normalize(path.posix.join(path.posix.dirname(file), from))}`
    })
    expect([...exceptions].filter(edge => !edges.includes(edge))).toEqual([])
  })
})

describe('doors', () => {
  test('each package is imported where its door is, and nowhere else', () => {
    const wrong = imports.filter(({ file, from }) => {
      const allowed = doors.get(from)
      if (allowed !== undefined) return !allowed.some(door => file.startsWith(door))
      return !from.startsWith('.') && !from.startsWith('node:')
    })
    expect(wrong).toEqual([])
  })

  test('/proc is spelled in target/procfs/ only', () => {
    const wrong = files
      // A hint shows a path to a person, and a tool is told of its own descriptor: neither is opened here.
      .filter(({ file }) => {
        if (file.startsWith('target/procfs/')) return false
        return !['profile/next-steps.ts', 'capture/py-spy.ts', 'capture/rbspy.ts'].includes(file)
      })
      .filter(({ text }) => /^(?!\s*(?:\/\/|\*|\/\*)).*['"`]\/proc/m.test(text))
      .map(({ file }) => file)
    expect(wrong).toEqual([])
  })

  test('what is in target/procfs/ is asked for at target/procfs.ts', () => {
    const wrong = imports
      .filter(({ file }) => file !== 'target/procfs.ts' && !file.startsWith('target/procfs/'))
      .filter(({ from }) => from.includes('/procfs/'))
    expect(wrong).toEqual([])
    // Else it would find nothing, whatever is imported.
    expect(imports.some(({ from }) => from.startsWith('./procfs/'))).toBe(true)
  })
})

describe('runtimes', () => {
  test('are listed when they have a file', () => {
    const described = files.filter(
      ({ file, text }) => file.startsWith('runtimes/') && /: Runtime = /.test(text),
    )
    expect(described.length).toBe(runtimes.length)
  })

  test('are named nowhere else', () => {
    const names = runtimes.map(({ name }) => name).filter(name => name !== 'native')
    const literal = new RegExp(`['"\`](?:${names.join('|')})['"\`]`)
    const wrong = files
      .filter(({ file }) => !file.startsWith('runtimes/'))
      .filter(({ text }) => literal.test(text))
      .map(({ file }) => file)
    expect(wrong).toEqual([])
  })
})
