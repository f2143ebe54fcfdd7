// Fingerprints of living processes of each runtime.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { alsoRuns, fingerprint } from '../../agent/runtimes/index.ts'
import { withFacts } from '../../agent/target/facts.ts'
import { compile, missing, start, startPython } from '../apps/apps.ts'
import { compileJava, startJava } from '../apps/jvm.ts'
import { installed } from '../apps/node.ts'
import { startErlang, startPhp, startRuby } from '../apps/scripts.ts'
import { temporaryFolder } from '../temporary.ts'

const apps = path.resolve(import.meta.dirname, '../apps')
const deno = path.join(installed, '@deno/linux-x64-glibc/deno')
const bun = path.join(installed, '@oven/bun-linux-x64/bin/bun')
const broughtBySetup = ' (skipped: scripts/setup tests brings it)'

async function fingerprintOf(pid: number) {
  // Past exec and the loading of libraries.
  await sleep(500)
  return withFacts(pid, facts =>
    fingerprint(facts).map(({ runtime, version, evidence }) => ({
      name: runtime.name,
      version,
      evidence,
    })),
  )
}

function needs(...tools: string[]): string {
  const lacking = missing(...tools)
  return lacking.length === 0 ? '' : ` (skipped: ${lacking.join(', ')} missing on PATH)`
}

describe('fingerprint', () => {
  test.skipIf(needs('python3') !== '')(`Python, with its version${needs('python3')}`, async () => {
    const version = execFileSync('python3', [
      '-c',
      'import sys; print(*sys.version_info[:2], sep=".")',
    ])
    const [first] = await fingerprintOf(startPython('burn.py', 30).pid)
    expect(first).toMatchObject({ name: 'cpython' })
    expect(first!.version).toContain(version.toString().trim())
  })

  test.skipIf(needs('ruby') !== '')(`Ruby, with its exact version${needs('ruby')}`, async () => {
    const version = execFileSync('ruby', ['-e', 'puts RUBY_VERSION']).toString().trim()
    const [first] = await fingerprintOf(startRuby(30).pid)
    expect(first).toMatchObject({ name: 'ruby', version })
  })

  test.skipIf(needs('php') !== '')(`PHP, with its exact version${needs('php')}`, async () => {
    const version = execFileSync('php', ['-r', 'echo PHP_VERSION;']).toString().trim()
    const [first] = await fingerprintOf(startPhp(30).pid)
    expect(first).toMatchObject({ name: 'php', version })
  })

  test.skipIf(needs('erl', 'erlc') !== '')(
    `the BEAM, with the version of OTP${needs('erl', 'erlc')}`,
    async () => {
      const release = [
        '-noshell',
        '-eval',
        'io:put_chars(erlang:system_info(otp_release)), halt().',
      ]
      const major = execFileSync('erl', release).toString()
      const [first] = await fingerprintOf(startErlang(30).pid)
      expect(first).toMatchObject({ name: 'erlang' })
      expect(first!.version).toMatch(new RegExp(`^${major}\\.\\d`))
    },
  )

  test.skipIf(needs('ruby', 'python3') !== '')(
    `every runtime of a process: a Python that loads libruby${needs('ruby', 'python3')}`,
    async () => {
      const name = execFileSync('ruby', ['-e', 'puts RbConfig::CONFIG["LIBRUBY_SO"]'])
      const load = `import ctypes, time; ctypes.CDLL("${name.toString().trim()}"); time.sleep(30)`
      const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'])
      const { pid } = start(python.toString().trim(), ['-c', load])
      await sleep(1000)
      const found = withFacts(pid, fingerprint)
      expect(found.map(({ runtime }) => runtime.name)).toEqual(['cpython', 'ruby', 'native'])
      expect(alsoRuns(found)).toEqual([expect.stringMatching(/^Ruby \d+\.\d+\.\d+$/)])
    },
  )

  test('Node.js, with its exact version', async () => {
    const child = start(process.execPath, [path.join(apps, 'node/service.js'), '30'])
    const [first] = await fingerprintOf(child.pid)
    expect(first).toMatchObject({ name: 'node', version: process.versions.node })
  })

  test.skipIf(needs('java', 'javac') !== '')(
    `a JVM, with its exact version${needs('java', 'javac')}`,
    async () => {
      const { pid } = await startJava(compileJava('Shares'), ['Shares', '30'])
      const [first] = await fingerprintOf(pid)
      expect(first).toMatchObject({ name: 'jvm', evidence: expect.stringContaining('libjvm.so') })
      // `openjdk 17.0.15 2025-04-15`
      const said = execFileSync('java', ['--version']).toString()
      expect(said.split(' ')[1]).toBe(first!.version)
    },
  )

  test.skipIf(!fs.existsSync(deno))(
    `Deno, with its version${fs.existsSync(deno) ? '' : broughtBySetup}`,
    async () => {
      const version = execFileSync(deno, ['--version']).toString().split(' ')[1]
      const child = start(deno, ['run', '-A', path.join(apps, 'node/service.js'), '30'])
      const [first] = await fingerprintOf(child.pid)
      expect(first).toMatchObject({ name: 'deno', version })
    },
  )

  test.skipIf(!fs.existsSync(bun)).each([
    ['as it is', 'bun'],
    ['by another name, as `bun build --compile` makes it', 'shop'],
  ])(`Bun %s, with its version${fs.existsSync(bun) ? '' : broughtBySetup}`, async (_, name) => {
    const program = path.join(temporaryFolder(), name)
    fs.copyFileSync(bun, program)
    fs.chmodSync(program, 0o755)
    const version = execFileSync(program, ['--version']).toString().trim()
    const child = start(program, [path.join(apps, 'node/service.js'), '30'])
    const [first] = await fingerprintOf(child.pid)
    expect(first).toMatchObject({ name: 'bun', version })
  })

  test.skipIf(needs('go') !== '').each([
    ['as built', []],
    ['stripped', ['-ldflags', '-s -w']],
  ])(`Go, %s, with its version${needs('go')}`, async (_, flags) => {
    const program = path.join(temporaryFolder(), 'service')
    execFileSync('go', ['build', ...flags, '-o', program, '.'], { cwd: path.join(apps, 'go') })
    const version = execFileSync('go', ['env', 'GOVERSION']).toString().trim()
    const [first] = await fingerprintOf(start(program, ['30']).pid)
    expect(first).toMatchObject({ name: 'go' })
    expect(`go${first!.version}`).toBe(version)
  })

  test.skipIf(needs('cc') !== '')(`everything else is native${needs('cc')}`, async () => {
    const [first, ...rest] = await fingerprintOf(start(compile('burn'), ['30']).pid)
    expect(first).toMatchObject({ name: 'native' })
    expect(rest).toEqual([])
  })

  test.skipIf(needs('cc') !== '')(
    `a name proves nothing: a native program called node-exporter${needs('cc')}`,
    async () => {
      const program = compile('burn', ['-Wl,--build-id'])
      const disguised = path.join(temporaryFolder(), 'node-exporter')
      execFileSync('cp', [program, disguised])
      const [first] = await fingerprintOf(start(disguised, ['30']).pid)
      expect(first).toMatchObject({ name: 'native' })
    },
  )
})
