// What is seen of a capture while it runs: as lines of JSON, as a picture that is
// written anew, and on a terminal. And the raw bytes that are kept beside it.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import {
  compile,
  compileDotnet,
  describeWith,
  missing,
  start,
  startDotnet,
  startPython,
  untilBusy,
} from '../apps/apps.ts'
import { startScript } from '../apps/node.ts'
import { type Line, publish, readStacks, sp, startCommand } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

const still = 'Still sampling'

/** The views in which something had been sampled. */
function viewsOf(lines: readonly Line[]) {
  return lines.flatMap(({ live }) => (live?.quality === undefined ? [] : [live]))
}

describeWith(['perf', 'cc', 'setpriv'], 'a capture with perf', () => {
  const target = async () => {
    const { pid } = start(compile('burn'), ['60'])
    await untilBusy(pid)
    return pid
  }

  test('is seen as lines of JSON, from its first seconds on', async () => {
    const { lines, receipt } = await publish(['record', `${await target()}`, '-d', '4'])
    const views = viewsOf(lines)
    expect(views.length).toBeGreaterThan(0)
    // At 99 Hz perf would have slept through all of it.
    expect(views[0]).toMatchObject({ tool: 'perf', durationMs: 4000, isSampling: true })
    expect(views[0].top[0].name).toBe('burn_inner')
    const samples = views.map(({ quality }) => quality.samples)
    expect(samples).toEqual(samples.toSorted((a, b) => a - b))
    expect(samples.at(-1)).toBeLessThanOrEqual(receipt.quality.samples)
  })

  test('is seen as a picture that is written anew, and is the whole one at the end', async () => {
    const live = path.join(temporaryFolder(), 'live.svg')
    const running = startCommand(
      ['record', `${await target()}`, '-d', '60', '--json', '--live', live],
      {},
    )
    const pictures = new Set<string>()
    while (pictures.size < 2) {
      await new Promise(resolve => setTimeout(resolve, 100))
      if (fs.existsSync(live)) pictures.add(fs.readFileSync(live, 'utf8'))
    }
    running.child.kill('SIGINT')
    const { code } = await running.result
    expect(code).toBe(0)
    for (const picture of pictures) {
      expect(picture).toContain(still)
      expect(picture).toContain('burn_inner')
      expect(picture).toMatch(/<\/svg>\n$/)
    }
    const last = fs.readFileSync(live, 'utf8')
    expect(last).not.toContain(still)
    expect(last).toContain('burn_inner')
    expect(fs.readdirSync(path.dirname(live))).toEqual(['live.svg'])
  })

  test.skipIf(missing('script').length > 0)('is one line on a terminal', async () => {
    const output = path.join(temporaryFolder(), 'flame.svg')
    const command = ['record', `${await target()}`, '-d', '4', '-o', output]
    const { stdout } = await sp(command, {
      under: ['sh', '-c', 'exec script -qec "$*" /dev/null', 'sh'],
    })
    expect(stdout.toString()).toMatch(
      /\r\x1b\[KSampling: \d of 4 s · [\d,]+ samples · \d+ Hz · \d+ % burn_inner/,
    )
  })

  test('on a pipe says no more than ever', async () => {
    const output = path.join(temporaryFolder(), 'flame.svg')
    const { stdout, stderr } = await sp(['record', `${await target()}`, '-d', '2', '-o', output])
    expect(stderr.trim().split('\n')).toEqual([
      expect.stringMatching(/^Sampling process/),
      'Redacting, drawing, publishing',
    ])
    expect(stdout.toString()).not.toContain('live')
  })

  test('leaves its perf.data, which perf reads, and so do we', async () => {
    const raw = path.join(temporaryFolder(), 'perf.data')
    const { lines, folded } = await publish([
      ...['record', `${await target()}`, '-d', '2'],
      ...['--keep-raw', raw],
    ])
    expect(lines).toContainEqual({
      state: 'kept',
      message: expect.stringMatching(/\(perf\.data, \d+ KB\) in .*Nothing in it is redacted/),
    })
    expect(fs.statSync(raw).mode & 0o777).toBe(0o600)
    const script = execFileSync('perf', ['script', '-i', raw, '-F', 'ip,sym'], { stdio: 'pipe' })
    expect(script.toString()).toContain('burn_inner')
    const rendered = await publish(['render', raw])
    expect(rendered.folded.total).toBe(folded.total)
    expect(rendered.folded.share('burn_inner')).toBeCloseTo(folded.share('burn_inner'))
  })

  test('that is discarded leaves no raw bytes', async () => {
    const raw = path.join(temporaryFolder(), 'perf.data')
    const pid = await target()
    const running = startCommand(['record', `${pid}`, '-d', '60', '--json', '--keep-raw', raw])
    await running.saying('"samples":')
    expect(fs.existsSync(raw)).toBe(true)
    running.child.kill('SIGSTOP')
    // Both are there when it goes on, so the second cannot come too late.
    running.child.kill('SIGINT')
    running.child.kill('SIGTERM')
    running.child.kill('SIGCONT')
    expect((await running.result).code).toBe(7)
    expect(fs.existsSync(raw)).toBe(false)
  })

  test.for(['--live', '--keep-raw'])('does not begin where the file of %s exists', async flag => {
    const file = path.join(temporaryFolder(), 'file')
    fs.writeFileSync(file, 'mine')
    const result = await sp(['record', `${await target()}`, flag, file])
    expect(result.code).toBe(2)
    expect(result.stderr).toContain('SP_OUTPUT_EXISTS')
    expect(result.stderr).not.toContain('Sampling')
    expect(fs.readFileSync(file, 'utf8')).toBe('mine')
  })
})

describeWith(['py-spy', 'python3', 'setpriv'], 'a capture with py-spy', () => {
  test('is seen after its first turn, and none of its samples are missing', async () => {
    const { pid } = startPython('burn.py', 60)
    await untilBusy(pid)
    const raw = path.join(temporaryFolder(), 'raw.txt')
    const { lines, receipt, folded } = await publish([
      ...['record', `${pid}`, '-d', '9', '--tool', 'py-spy'],
      ...['--keep-raw', raw],
    ])
    const views = viewsOf(lines)
    // The first turn, and the one after it.
    expect(new Set(views.map(({ quality }) => quality.samples)).size).toBeGreaterThan(1)
    expect(views[0].top[0].name).toBe('hot_leaf')
    // py-spy samples a thread that wants to run by the clock: 99 in each of nine seconds.
    expect(receipt.quality.samples / (9 * 99)).toBeGreaterThan(0.9)
    expect(receipt.quality.samples / (9 * 99)).toBeLessThan(1.1)
    expect(readStacks(fs.readFileSync(raw, 'utf8')).total).toBe(folded.total)
  })
})

describeWith(['node', 'setpriv'], 'a capture over the inspector', () => {
  test('is seen after its first segment, and leaves profiles that other tools read', async () => {
    const { pid } = await startScript(['service.js', '60'])
    await untilBusy(pid)
    const raw = path.join(temporaryFolder(), 'profile.cpuprofile')
    const { lines } = await publish(['record', `${pid}`, '-d', '4', '--keep-raw', raw])
    const views = viewsOf(lines)
    expect(views[0]).toMatchObject({ tool: 'inspector', quality: { tool: 'inspector' } })
    expect(views[0].top[0].name).toBe('parse')
    const { nodes, samples } = JSON.parse(fs.readFileSync(raw, 'utf8'))
    expect(nodes[0].callFrame.functionName).toBe('(root)')
    expect(samples.length).toBeGreaterThan(0)
    expect((await publish(['render', raw])).folded.share(/^parse/)).toBeGreaterThan(0.4)
  })
})

describeWith(['mcs', 'the .NET runtimes'], 'a capture over the event pipe', () => {
  test.for(['3.1.23', '8.0.4'] as const)(
    'of .NET %s is seen with its names, and leaves a .nettrace',
    async version => {
      const { pid } = await startDotnet(compileDotnet('shares'), 60, { version })
      const raw = path.join(temporaryFolder(), 'trace.nettrace')
      const { lines, folded } = await publish([
        ...['record', `${pid}`, '-d', '6', '--tool', 'eventpipe'],
        ...['--keep-raw', raw],
      ])
      const last = viewsOf(lines).at(-1)
      expect(last.top.map(({ name }: { name: string }) => name)).toContainEqual(
        expect.stringMatching(/Parse/),
      )
      expect(fs.readFileSync(raw).toString('latin1', 0, 8)).toBe('Nettrace')
      expect((await publish(['render', raw])).folded.share(/Parse/)).toBeCloseTo(
        folded.share(/Parse/),
        1,
      )
    },
  )
})
