// Opens perf events for a target that may not, and hands them over: the
// fdtransfer of async-profiler.
// https://github.com/async-profiler/async-profiler/blob/master/docs/ProfilingInContainer.md
//
// The library in the target asks over an abstract socket for the events of its
// own threads, one by one, as long as it samples; asprof answers, with our
// privileges. We want that of asprof and nothing else: it would go on to attach
// by paths in which it follows links, and to print a log that the target names.
//
// So it is shown a JVM that is us: asprof looks for the socket in JATTACH_PATH,
// sends us the command that is meant for the JVM, and in it is the name of the
// abstract socket. Then its main process is killed; its server, a child of it,
// stays until the target closes the connection, or we do.

import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { ProfilerError } from '../errors.ts'
import { pathOfDescriptor, readStatus, sharesNamespace } from '../target/procfs.ts'
import { type RunningTool, startTool } from './run.ts'

export interface PerfServer {
  /** What the library is told: `@asprof-…`. */
  readonly name: string
  /** Ends it at once, and waits until it has ended. */
  close(): Promise<void>
}

// asprof says its command within 10 ms.
const startMs = 5000
const maxCommandBytes = 4096

/** @throws {ProfilerError} `SP_TOOL_FAILED`, `SP_TOOL_MISSING` */
export async function startPerfServer(toolPath: string, pid: number): Promise<PerfServer> {
  const { nspid } = readStatus(pid)
  const folder = path.join(os.tmpdir(), `sp-flamegraph-${randomBytes(8).toString('hex')}`)
  fs.mkdirSync(folder, { mode: 0o711 })
  const fd = fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
  const socketPath = `${pathOfDescriptor(fd)}/.java_pid${nspid}`
  const server = net.createServer()
  let tool: RunningTool | undefined
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(socketPath, resolve)
    })
    // It connects as the target's user.
    fs.chmodSync(socketPath, 0o666)
    const args = ['start', '--fdtransfer', '--libpath', '/', '-e', 'cpu-clock', `${pid}`]
    tool = await startTool({
      // Its way into the target's mount namespace, where our socket is not, is closed to it.
      ...(sharesNamespace(pid, 'mnt') === false
        ? { path: 'setpriv', args: ['--bounding-set=-sys_admin', '--', toolPath, ...args] }
        : { path: toolPath, args }),
      env: { JATTACH_PATH: pathOfDescriptor(3) },
      outputFd: fd,
    })
    tool.stdout.resume()
    const name = await commandedName(server, tool)
    const running = tool
    return {
      name,
      async close() {
        running.kill()
        await running.ended
      },
    }
  } catch (error) {
    tool?.kill()
    throw error
  } finally {
    server.close()
    fs.closeSync(fd)
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

/** The name in the command that asprof sends; then its main process has done what we want of it. */
async function commandedName(server: net.Server, tool: RunningTool): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const timer = setTimeout(() => {
    reject(new ProfilerError('SP_TOOL_FAILED', 'asprof does not hand over perf events'))
  }, startMs)
  tool.ended.then(({ stderrTail }) => {
    const said = stderrTail || 'it said nothing'
    reject(new ProfilerError('SP_TOOL_FAILED', `asprof cannot hand over perf events: ${said}`))
  }, reject)
  server.on('connection', connection => {
    let command = ''
    connection.on('error', () => {})
    connection.setEncoding('latin1').on('data', piece => {
      command = (command + piece).slice(0, maxCommandBytes)
      const name = /,fdtransfer=(@asprof-[\w-]+)/.exec(command)?.[1]
      if (name === undefined) return
      // Before the connection ends: it would read a log that the target may have planted.
      process.kill(tool.pid, 'SIGKILL')
      connection.destroy()
      resolve(name)
    })
  })
  try {
    return await promise
  } finally {
    clearTimeout(timer)
  }
}
