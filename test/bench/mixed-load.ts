// A real mixed load, started for the captures that are measured and ended by time:
//
//     node mixed-load.ts SECONDS
//
// What a busy machine of developers runs: Node with its own JIT's map, CPython,
// a C++ compiler (many short processes, deep stacks), xz (one hot loop), and
// system calls over many files. Five at once, so that every core is busy.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

const seconds = Number(process.argv[2] ?? 30)

const nodeWork = `
  const zlib = require('node:zlib')
  const rows = Array.from({ length: 2000 }, (_, id) => ({ id, name: 'row ' + id, tags: [id % 7, id % 11] }))
  function handle() {
    const text = JSON.stringify(rows)
    const back = JSON.parse(text).sort((a, b) => b.tags[1] - a.tags[1] || a.name.localeCompare(b.name))
    back.filter(({ name }) => /[13579]$/.test(name)).map(({ name }) => name.toUpperCase()).join()
    zlib.gunzipSync(zlib.gzipSync(text))
    setImmediate(handle)
  }
  handle()`
const pythonWork = `
import ast, glob, json, os, re
files = sorted(glob.glob(os.path.dirname(os.__file__) + '/*.py'))
while True:
    for file in files:
        text = open(file, encoding='utf-8', errors='replace').read()
        words = re.findall(r'[A-Za-z_]+', text)
        json.loads(json.dumps(sorted(words)))
        try: compile(ast.parse(text), file, 'exec')
        except SyntaxError: pass`
const compiled =
  '#include <algorithm>\n#include <map>\n#include <regex>\n#include <string>\nstd::regex r("a+");\n'

/** Each runs again when it ends, until the time is over. */
const commands: readonly (readonly [string, readonly string[], string?])[] = [
  [process.execPath, ['--perf-basic-prof', '-e', nodeWork]],
  ['python3', ['-c', pythonWork]],
  ['c++', ['-O2', '-S', '-o', '/dev/null', '-x', 'c++', '-'], compiled],
  ['xz', ['-6', '--threads=1', '--stdout', process.execPath]],
  ['tar', ['--create', '--file=-', '--ignore-failed-read', '/usr/share']],
]

const running = new Set<ChildProcess>()
let isOver = false
setTimeout(() => {
  isOver = true
  // With what it has started itself: the compiler's driver starts the compiler.
  for (const { pid } of running) {
    try {
      process.kill(-pid!, 'SIGKILL')
    } catch {
      // It has just ended.
    }
  }
}, seconds * 1000)

await Promise.all(commands.map(repeat))

async function repeat([file, args, input]: (typeof commands)[number]): Promise<void> {
  while (!isOver) {
    const child = spawn(file, args, { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
    running.add(child)
    child.stdin.on('error', () => {}).end(input)
    await once(child, 'close')
    running.delete(child)
  }
}
