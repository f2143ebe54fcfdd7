// CPython, sampled from outside with py-spy: https://github.com/benfred/py-spy
//
// A process is CPython if it maps libpython, if its executable is a python, or
// if it maps an extension built for CPython (uWSGI, PyInstaller: the interpreter
// is linked into something of another name).
//
// The trap: perf sees only the interpreter's own loop (75 to 89 % of the samples
// in `_PyEval_EvalFrameDefault`), so as a fall-back it is honest only with the
// interpreter's perf map (`-X perf`, 3.12 and newer).

import type { ProcessFacts } from '../target/facts.ts'
import { type MemoryReader, memoryReaderObstacles } from './memory-reader.ts'
import { degraded, perfStrategy } from './perf-strategy.ts'
import type { CaptureAsk, Detection, Obstacle, Privileges, Runtime } from './runtime.ts'

const libpython = /\/libpython(?<version>\d\.\d+)(?<threaded>t?)[^/]*\.so/
const python = /\/python(?<version>\d\.\d+)?(?<threaded>t?)$/
const extension = /\.cpython-(?<major>\d)(?<minor>\d+)(?<threaded>t?)-[^/]*\.so$/

// py-spy 0.4.3 knows 2.3 to 2.7 and 3.3 to 3.14, and no free-threaded build.
const newestMinor = 14

export const cpythonRuntime: Runtime = {
  name: 'cpython',
  title: 'CPython',

  detect(facts) {
    const found = evidence(facts)
    if (found === undefined) return undefined
    const { path, version } = found
    // `Py_Version` as text: "3.11.7", also "3.14.0rc1".
    const exact = new RegExp(`\\0(${version.replace('.', '\\.')}\\.\\d+(?:[abc]\\d|rc\\d)?\\+?)\\0`)
    return {
      version:
        (version === '' ? undefined : facts.search(path, exact)?.[1]) ?? (version || 'unknown'),
      evidence: found.evidence,
    }
  },

  strategies: [
    {
      name: 'py-spy',
      tool: 'py-spy',
      modes: ['cpu', 'wall'],
      maxHertz: 999,
      seesNative: false,
      obstacles: pySpyObstacles,
      capture: ({ pid }, { tools }, ask) => ({
        ...ask,
        tool: 'py-spy',
        toolPath: tools.get('py-spy')!,
        pid,
        event: ask.mode === 'wall' ? 'all threads' : 'running threads',
        countsCpuTime: ask.mode === 'cpu',
        withIdle: ask.mode === 'wall',
        pause: ask.pause === true,
      }),
    },
    degraded(
      perfStrategy,
      'perf sees the interpreter, not the Python functions',
      'start with `-X perf` (Python 3.12 or newer), or grant what py-spy needs',
      facts => !isTrampolineOn(facts),
    ),
  ],
}

function evidence(
  facts: ProcessFacts,
): (Detection & { path: string; threaded: boolean }) | undefined {
  for (const path of facts.mappedFiles) {
    const match = libpython.exec(path)
    if (match) return describe(path, match.groups!.version!, match.groups!.threaded!)
  }
  const binary = python.exec(facts.executable ?? '')
  if (binary) {
    return describe(facts.executable!, binary.groups!.version ?? '', binary.groups!.threaded!)
  }
  for (const path of facts.mappedFiles) {
    const match = extension.exec(path)
    if (match) {
      const { major, minor, threaded } = match.groups!
      return describe(path, `${major}.${minor}`, threaded!)
    }
  }
  return undefined
}

function describe(path: string, version: string, threaded: string) {
  const name = path.slice(path.lastIndexOf('/') + 1)
  return { path, version, threaded: threaded === 't', evidence: `maps ${name}` }
}

const pySpy: MemoryReader = {
  tool: 'py-spy',
  install: 'install it with `pip install py-spy`, or use the sp-profiler image',
  opensMemoryAfter: ['EPERM', 'ENOSYS'],
}

function pySpyObstacles(facts: ProcessFacts, privileges: Privileges, ask: CaptureAsk): Obstacle[] {
  const obstacles = memoryReaderObstacles(pySpy, facts, privileges, ask)
  const found = evidence(facts)
  const [major, minor] = (found?.version ?? '').split('.').map(Number)
  if (found?.threaded) {
    obstacles.push({
      effect: 'blocks',
      what: 'py-spy cannot read a free-threaded build',
      grant: 'a build with the GIL, or `-X perf` and `--tool perf`',
    })
  } else if (major === 3 && minor !== undefined && minor > newestMinor) {
    obstacles.push({
      effect: 'blocks',
      what: `py-spy does not know Python 3.${minor}`,
      grant: 'a newer py-spy, or `-X perf` and `--tool perf`',
    })
  }
  return obstacles
}

function isTrampolineOn(facts: ProcessFacts): boolean {
  return facts.environment('PYTHONPERFSUPPORT') === '1' || facts.argv.some(each => each === 'perf')
}
