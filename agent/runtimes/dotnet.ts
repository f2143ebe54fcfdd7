// .NET, sampled by its own event pipe, or by perf.
//
// A process is .NET if it maps libcoreclr; the folder of that is the version. A
// single-file program has the runtime inside, and exports DotNetRuntimeInfo. One
// that was compiled ahead of time (NativeAOT) is native code for every tool.
//
// The trap: the event pipe says "managed" of a thread that wants to run, core or
// no core, and knows nothing of native code, the kernel and the garbage collector;
// its rate is its own. perf knows all of that, and not the names.

import { type Elf, sectionBytes } from '../symbolize/elf.ts'
import { findDiagnosticsSocket } from '../target/diagnostics-socket.ts'
import type { ProcessFacts } from '../target/facts.ts'
import { either, identityGrant } from './attach.ts'
import { degraded, perfCapture, perfObstacles, perfStrategy } from './perf-strategy.ts'
import type { CaptureAsk, Obstacle, Privileges, Runtime } from './runtime.ts'

const coreclr = /\/(\d+\.\d+\.\d+[^/]*)\/libcoreclr\.so$/
const anyCoreclr = /\/libcoreclr\.so$/

// The runtime sleeps for 1 ms between two samples of every thread.
const runtimeHertz = 1000
// Each sample stops and walks every managed thread: above this it is felt.
const manyThreads = 100

export const dotnetRuntime: Runtime = {
  name: 'dotnet',
  title: '.NET',

  detect(facts) {
    const library = facts.mappedFiles.find(path => anyCoreclr.test(path))
    if (library !== undefined) {
      return {
        version: coreclr.exec(library)?.[1] ?? 'unknown',
        evidence: 'maps libcoreclr.so',
      }
    }
    if (exports(facts.elf, 'DotNetRuntimeInfo')) {
      return { version: 'unknown', evidence: 'exports DotNetRuntimeInfo (single file)' }
    }
    return undefined
  },

  strategies: [
    {
      ...perfStrategy,
      name: 'perf with names of the event pipe',
      modes: ['cpu'],
      obstacles: (facts, privileges, ask) => [
        ...perfObstacles(facts, privileges, ask),
        ...socketObstacles(facts, privileges),
      ],
      capture: (facts, privileges, ask) => ({
        ...perfCapture(facts, privileges, ask),
        methodNames: 'eventpipe' as const,
      }),
    },
    {
      name: 'the event pipe',
      tool: 'eventpipe',
      modes: ['cpu', 'wall'],
      maxHertz: 999,
      obstacles: pipeObstacles,
      capture: ({ pid }, _, ask) => ({
        ...ask,
        hertz: runtimeHertz,
        tool: 'eventpipe',
        pid,
        event: ask.mode === 'wall' ? 'managed threads' : 'managed code',
        // A thread that waits for a core counts, and native code does not.
        countsCpuTime: false,
      }),
    },
    degraded(
      perfStrategy,
      'managed methods have no names for perf',
      'start the target with DOTNET_PerfMapEnabled=1, or grant what the event pipe needs',
      facts => !writesMap(facts),
    ),
  ],
}

function exports(elf: Elf | undefined, name: string): boolean {
  const names = elf && sectionBytes(elf, '.dynstr')
  return names?.includes(`\0${name}\0`) === true
}

/** Why the runtime may not have made its socket; undefined where that cannot be told. */
function switchedOffBy(facts: ProcessFacts): string | undefined {
  return ['DOTNET_EnableDiagnostics', 'COMPlus_EnableDiagnostics', 'DOTNET_EnableDiagnostics_IPC']
    .filter(name => facts.environment(name) === '0')
    .at(0)
}

/** What keeps us from asking the runtime anything. */
function socketObstacles(facts: ProcessFacts, privileges: Privileges): Obstacle[] {
  const obstacles: Obstacle[] = []
  const block = (what: string, grant: string) => obstacles.push({ effect: 'blocks', what, grant })
  const own = identityGrant(facts, privileges)
  const toFiles = privileges.uid === facts.uid ? 'capability' : 'capabilities DAC_OVERRIDE and'
  const found = findDiagnosticsSocket(facts.pid)
  found.socket?.close()
  switch (found.reason) {
    case undefined:
      if (privileges.uid !== facts.uid && !privileges.capabilities.has('DAC_OVERRIDE')) {
        block(
          `the diagnostics socket belongs to uid ${facts.uid}`,
          either(own, 'add the capability DAC_OVERRIDE'),
        )
      }
      break
    case 'root not readable':
      block(
        'the files of the target may not be reached, its diagnostics socket among them',
        either(own, `add the ${toFiles} SYS_PTRACE`),
      )
      break
    case 'no socket':
      blockForSocket(facts, found.folder, block)
      break
    case 'folder behind a link':
      block(
        `the diagnostics socket in ${found.folder} is behind a symbolic link, which is not followed`,
        'set TMPDIR of the target to a folder that is no link',
      )
      break
    case 'socket of another user':
      block(
        `the diagnostics socket in ${found.folder} belongs to another user, so it is not believed`,
        'remove what lies there, and start the target again',
      )
      break
  }
  if (facts.state === 'T' || facts.state === 't') {
    block('the target is stopped, and answers nobody', `kill -CONT ${facts.pid}`)
  }
  return obstacles
}

function pipeObstacles(facts: ProcessFacts, privileges: Privileges, _: CaptureAsk): Obstacle[] {
  const obstacles = socketObstacles(facts, privileges)
  obstacles.push({
    effect: 'degrades',
    what: `the rate is the runtime's own, about ${runtimeHertz} Hz or less, whatever is asked`,
    grant: '`--tool perf` samples at the rate asked',
  })
  if (facts.threads > manyThreads) {
    obstacles.push({
      effect: 'degrades',
      what: `each sample stops all of its ${facts.threads} threads`,
      grant: '`--tool perf` stops none',
    })
  }
  return obstacles
}

function blockForSocket(
  facts: ProcessFacts,
  folder: string,
  block: (what: string, grant: string) => void,
): void {
  const variable = switchedOffBy(facts)
  const mount = facts.mountAt(folder)
  if (variable !== undefined) {
    block(`diagnostics are switched off by ${variable}=0`, `start the target without ${variable}`)
  } else if (mount?.isReadOnly) {
    block(
      `the target may not write into ${folder}, where its diagnostics socket would be`,
      `mount a writable emptyDir at ${folder}`,
    )
  } else {
    block(
      `there is no diagnostics socket in ${folder}`,
      'start the target again with a writable TMPDIR, and with diagnostics switched on',
    )
  }
}

function writesMap(facts: ProcessFacts): boolean {
  return (
    facts.environment('DOTNET_PerfMapEnabled') === '1' ||
    facts.environment('COMPlus_PerfMapEnabled') === '1'
  )
}
