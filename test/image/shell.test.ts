// The shell of `kubectl debug`, in a real terminal and a PID namespace of its own, with a target beside it.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { compile, describeWith } from '../apps/apps.ts'
import { asNobody } from '../apps/jvm.ts'
import { sp } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

const checkout = path.resolve(import.meta.dirname, '../..')
const needed = ['cc', 'setpriv', 'script', 'unshare', 'the right to unshare a PID namespace']

// Laid out as the image's root, and for every user to read.
const root = temporaryFolder()
const bashrc = path.join(root, 'etc/bash.bashrc')

beforeAll(async () => {
  fs.cpSync(path.join(checkout, 'image/shell'), root, { recursive: true })
  const completions = path.join(root, 'usr/share/bash-completion/completions')
  fs.mkdirSync(completions, { recursive: true })
  const { stdout } = await sp(['completion', 'bash'])
  fs.writeFileSync(path.join(completions, 'sp-flamegraph'), stdout)
  fs.chmodSync(root, 0o755)
})

interface Options {
  readonly env?: Readonly<Record<string, string>>
  readonly under?: readonly string[]
  /** Run by the first process before the shell; what is in the background stays. */
  readonly before?: string
  readonly bash?: string
  /** Of the terminal; undefined: it has no size, as before somebody attaches. */
  readonly columns?: number | undefined
}

interface Shell {
  readonly child: ChildProcess
  /** The folder for temporary files. */
  readonly tmp: string
  /** All that the terminal was sent so far. */
  seen(): string
  type(text: string): void
  until(words: string | RegExp): Promise<string>
  /** Waits for its end; answers the names of the processes that are left of it. */
  end(): Promise<string[]>
}

function openShell(programs: readonly string[], options: Options = {}): Shell {
  const tmp = temporaryFolder()
  fs.chmodSync(tmp, 0o1777)
  const bash = options.bash ?? `bash --rcfile ${bashrc} -i`
  const { columns } = { columns: 120, ...options }
  const size = columns === undefined ? '' : `stty rows 40 columns ${columns};`
  const others = programs.map(program => `${program} & `).join('')
  const left = 'for each in /proc/[0-9]*/comm; do read -r name <$each && echo "left: $name"; done'
  const words = `${others} ${options.before ?? ''} sleep 0.3; script -qec "${size} $*" /dev/null; ${left}`
  const namespace = ['-m', '-p', '-f', '--kill-child=KILL', '--mount-proc', 'sh', '-c', words, 'sh']
  const { NODE_COMPILE_CACHE: _, ...own } = process.env
  const child = spawn('unshare', [...namespace, ...(options.under ?? []), bash], {
    cwd: '/',
    env: {
      ...own,
      PATH: `${checkout}/scripts:${process.env.PATH}`,
      HOME: '/tmp',
      TMPDIR: tmp,
      TERM: 'xterm',
      POD_NAME: 'payments-7d9f-x2x',
      POD_NAMESPACE: 'payments-prod',
      ...options.env,
    },
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  let text = ''
  child.stdin.on('error', () => {})
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
    })
  }
  const closed = new Promise(resolve => child.on('close', resolve))
  return {
    child,
    tmp,
    seen: () => text,
    type: keys => child.stdin.write(keys),
    async until(words) {
      for (let tries = 0; tries < 600; tries++) {
        if (typeof words === 'string' ? text.includes(words) : words.test(text)) return text
        await sleep(50)
      }
      throw new Error(`the terminal never showed ${words}: ${JSON.stringify(text)}`)
    },
    async end() {
      await closed
      return [...text.matchAll(/^left: (.*?)\r?$/gm)].map(([, name]) => name!)
    },
  }
}

const prompt = /payments-7d9f-x2x\S* \(payments-prod\) \S+ [#$] /

describeWith(needed, 'the shell', () => {
  test('opens with what runs here, what to type, and a prompt that names the pod', async () => {
    const shell = openShell([`${compile('burn')} 60`])
    const seen = await shell.until(prompt)
    expect(seen).toMatch(/^Detected: native code \S+ \(PID 2, burn, \d+ % of a core/)
    expect(seen).toMatch(/^ {2}sp-flamegraph record 2 --duration 30 +# perf at 99 Hz\r$/m)
    expect(seen).toMatch(/^Symbols: the target's own files/m)
    expect(seen).toMatch(/^Output: file:\/flamegraphs\/incidents\/INC-/m)
    shell.type('\x1b[A')
    await shell.until(/[#$] sp-flamegraph record 2 --duration 30/)
    shell.type('\x15sp-flamegraph rec\t--mod\toff\t')
    await shell.until('sp-flamegraph record --mode off-cpu')
    shell.type('\x15exit\n')
    await shell.end()
  })

  test('says that what is written into the container goes with it, and of a volume does not', async () => {
    const shell = openShell([`${compile('burn')} 60`], {
      before: 'mount -t tmpfs none /mnt;',
    })
    await shell.until(prompt)
    expect(shell.seen()).toContain('goes when this container ends')
    shell.type('clear; SP_FLAMEGRAPH_TO=file:/mnt/new sp-flamegraph; echo the-$((40 + 2))\n')
    const seen = await shell.until('the-42')
    expect(seen).toContain('Output: file:/mnt/new/')
    expect(seen.split('goes when this container ends')).toHaveLength(2)
    shell.type('exit\n')
    await shell.end()
  })

  test('waits with the screen for who attaches late', async () => {
    const late = '( sleep 2; echo attached; stty -F /dev/tty rows 40 columns 120 ) &'
    const shell = openShell([`${compile('burn')} 60`], {
      bash: `${late} exec bash --rcfile ${bashrc} -i`,
      columns: undefined,
    })
    const seen = await shell.until(prompt)
    expect(seen).toMatch(/^attached\r\nDetected: /)
    shell.type('exit\n')
    await shell.end()
  })

  test('leaves nothing behind: no process, no file, no history', async () => {
    const shell = openShell([`${compile('burn')} 60`])
    await shell.until(prompt)
    // One that has been stopped hears no signal but this way.
    shell.type('sleep 400 & sleep 300 & kill -STOP %1; touch ~/x; echo in $HOME.\n')
    await shell.until(`in ${shell.tmp}/sp-profiler-shell.`)
    // The first time bash tells of the one that is stopped.
    shell.type('exit\nexit\n')
    const left = await shell.end()
    expect(left).toContain('burn')
    expect(left).not.toContain('sleep')
    expect(left).not.toContain('bash')
    expect(fs.readdirSync(shell.tmp)).toEqual([])
    expect(fs.existsSync('/tmp/.bash_history')).toBe(false)
  })

  test('leaves nothing behind when the connection breaks', async () => {
    const shell = openShell([`${compile('burn')} 60`])
    await shell.until(prompt)
    shell.type('sleep 300 & kill -HUP $$\n')
    expect(await shell.end()).not.toContain('sleep')
    expect(fs.readdirSync(shell.tmp)).toEqual([])
  })

  test('shows no raw byte of a name that a target has chosen', async () => {
    const named = `sh -c 'exec ${compile('names', ['-pthread'])} 60 "$0"' 'a\u001b[2J;b$(id)'`
    const shell = openShell([named])
    await shell.until(prompt)
    shell.type('sp-flamegraph record \t\t')
    await sleep(1000)
    const seen = shell.seen()
    expect(seen).toContain(';b')
    expect(seen).not.toContain('\x1b[2J')
    expect(seen).not.toContain('uid=')
    shell.type('\x15exit\n')
    await shell.end()
  })

  test('says to one who is not root what is missing, and who knows', async () => {
    const shell = openShell([`${compile('burn')} 60`], { under: asNobody })
    const seen = await shell.until(prompt)
    expect(seen).toMatch(/^Missing: .*`sp-flamegraph doctor 2` says what to grant\r$/m)
    expect(seen).toMatch(/ \$ $/)
    shell.type('exit\n')
    await shell.end()
    expect(fs.readdirSync(shell.tmp)).toEqual([])
  })

  test('says that nothing is shared, and how to', async () => {
    const shell = openShell([], { bash: `exec bash --rcfile ${bashrc} -i` })
    const seen = await shell.until(prompt)
    expect(seen).toContain('shareProcessNamespace: true')
    shell.type('exit\n')
    await shell.end()
  })

  test('ends in a prompt where nothing can be written, TERM is dumb and the command is broken', async () => {
    const broken = temporaryFolder()
    fs.chmodSync(broken, 0o755)
    fs.writeFileSync(
      path.join(broken, 'sp-flamegraph'),
      '#!/bin/sh\necho "no such luck" >&2\nexit 1\n',
    )
    fs.chmodSync(path.join(broken, 'sp-flamegraph'), 0o755)
    const shell = openShell([], {
      under: ['env', '-u', 'HOME', ...asNobody],
      env: {
        PATH: `${broken}:${process.env.PATH}`,
        TMPDIR: '/proc/nowhere',
        TERM: 'dumb',
        POD_NAME: 'payments-core-with-a-long-name-7d9f-x2xkq',
      },
      columns: 20,
    })
    const seen = await shell.until(/^\.\.9f-x2xkq \$ /m)
    expect(seen).toContain('no such luck')
    expect(seen).not.toContain('\x1b[1m')
    shell.type('cd /; echo works-$((40 + 2))\nexit\n')
    await shell.until('works-42')
    await shell.end()
  })

  test('says what it was where the kernel ended the command', async () => {
    const killed = temporaryFolder()
    fs.writeFileSync(path.join(killed, 'sp-flamegraph'), '#!/bin/sh\nkill -KILL $$\n')
    fs.chmodSync(path.join(killed, 'sp-flamegraph'), 0o755)
    const shell = openShell([], { env: { PATH: `${killed}:${process.env.PATH}` } })
    expect(await shell.until(prompt)).toContain('most likely this pod is at its memory limit')
    shell.type('exit\n')
    await shell.end()
  })

  // A folder of a file system, and an emptyDir that two containers have.
  test.each([0o1777, 0o777])(
    'reads nothing that the target may have put into a shared /tmp (%o)',
    async mode => {
      const home = temporaryFolder()
      fs.chmodSync(home, mode)
      fs.writeFileSync(path.join(home, '.bashrc'), 'echo plan"ted"\n')
      fs.writeFileSync(path.join(home, '.inputrc'), '"z": "planted"\n')
      fs.writeFileSync(path.join(home, '.bash_history'), 'echo planted\n')
      // As in the image: bash reads it by itself, and then what HOME holds.
      const before = `mount --bind ${bashrc} /etc/bash.bashrc;`
      const shell = openShell([`${compile('burn')} 60`], {
        before,
        bash: 'bash',
        env: { HOME: home, TMPDIR: home },
      })
      await shell.until(prompt)
      shell.type('z\x15history; echo at-home in $HOME.\n')
      // Where others may rename, a folder of ours could become theirs.
      await shell.until(mode === 0o777 ? 'at-home in /dev/shm/sp-' : `at-home in ${home}/sp-`)
      shell.type('exit\n')
      await shell.end()
      expect(
        fs.readdirSync('/dev/shm').filter(name => name.startsWith('sp-profiler-shell')),
      ).toEqual([])
      expect(shell.seen()).toContain('sp-flamegraph doctor')
      expect(shell.seen()).not.toContain('planted')
    },
  )

  test('expands nothing that stands in a name of the pod', async () => {
    const names = { POD_NAME: 'a$(id)`id`\\w\x1b[2J', POD_NAMESPACE: '$HOME' }
    const shell = openShell([], { env: names })
    await shell.until(/aididw2J\S* \(HOME\) /)
    shell.type('exit\n')
    await shell.end()
    expect(shell.seen()).not.toContain('uid=')
  })

  test('is not there for `bash -c`', () => {
    const env = { ...process.env, BASH_ENV: bashrc }
    expect(execFileSync('bash', ['-c', 'echo only this'], { env }).toString()).toBe('only this\n')
  })
})
