// The attach protocol of HotSpot: how one tells a running JVM to load a library
// or to run a diagnostic command. What `jcmd` and `jattach` do, without them.
//
//     client  "1\0" command "\0" argument "\0" argument "\0" argument "\0"
//     JVM     code "\n" text, and it closes the connection
//
// https://github.com/openjdk/jdk/blob/master/src/hotspot/os/posix/attachListener_posix.cpp
//
// The JVM listens at /tmp/.java_pid<its own pid>. Where it does not listen yet it
// has to be asked: it looks for a file .attach_pid<pid> of its own user (or of
// root, since JDK 11) when it gets SIGQUIT. The traps: without that file it prints
// a thread dump into its own log; **a process that does not catch SIGQUIT is
// killed by it**; and every one of these names may be a link that was planted.
//
// The socket stays when we have gone. It is the JVM's own, it takes it away at
// its end, and an older JVM never makes another.

import fs from 'node:fs'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { ProfilerError, systemCode } from '../errors.ts'
import { checkSame, type Target } from '../target/find.ts'
import { pinBeneath } from '../target/open-beneath.ts'
import { pathOfDescriptor, readMaps, readStat, readStatus, rootOf } from '../target/procfs.ts'

export interface AttachAnswer {
  /** 0 where the JVM took the command. What the command itself says is in `text`. */
  readonly code: number
  readonly text: string
}

export interface AttachOptions {
  readonly timeoutMs: number
  /** Gives up at once. What the JVM was told it may do all the same. */
  readonly signal?: AbortSignal
  /**
   * Connect as the target's own user. JDK 8 takes no other; and without DAC_OVERRIDE the socket is
   * closed to us. Needs SETUID and SETGID.
   */
  readonly asTarget: boolean
}

/** Where the JVM listens, in its own root. */
function attachSocketOf(nspid: number): string {
  return `/tmp/.java_pid${nspid}`
}

/** The bit of SIGQUIT in a mask of signals. */
export const sigquitBit = 1n << 2n

/**
 * Has the JVM run one command.
 *
 * @throws {ProfilerError} `SP_TOOL_FAILED` where it does not answer, `SP_NOT_PERMITTED`, `SP_TARGET_GONE`
 */
export async function attach(
  target: Target,
  [command, ...args]: readonly [string, ...string[]],
  { timeoutMs, signal, asTarget }: AttachOptions,
): Promise<AttachAnswer> {
  const until = performance.now() + timeoutMs
  const socket = await openSocket(target, until, signal)
  const status = readStatus(target.pid)
  const request = ['1', command, ...args, ...Array(argumentCount - args.length).fill(''), '']
  try {
    // The descriptor names this one socket: whatever is put at its path now is not followed.
    const path = pathOfDescriptor(socket)
    const connection = asTarget ? as(status, () => net.connect(path)) : net.connect(path)
    return await converse(target, connection, request.join('\0'), until, signal)
  } finally {
    fs.closeSync(socket)
  }
}

const argumentCount = 3
// A listing of every diagnostic command is 20 KB.
const maxAnswerBytes = 1 << 20
const pollMs = 10

/** A descriptor of the socket, after asking the JVM for it if need be. */
async function openSocket(
  target: Target,
  until: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { pid } = target
  const { nspid, caughtSignals } = readStatus(pid)
  const found = pinSocket(pid, nspid)
  if (found !== undefined) return found
  checkSame(target)
  if (!readMaps(pid).some(({ path }) => /\/libjvm\.so$/.test(path))) {
    throw new ProfilerError('SP_TOOL_FAILED', `process ${pid} is no JVM`)
  }
  if ((caughtSignals & sigquitBit) === 0n) {
    throw new ProfilerError(
      'SP_TOOL_FAILED',
      `process ${pid} does not listen, and may not be asked to: SIGQUIT would end it (-Xrs)`,
    )
  }
  const removeTrigger = placeTrigger(target, nspid)
  try {
    process.kill(pid, 'SIGQUIT')
    while (performance.now() < until && !signal?.aborted) {
      const opened = pinSocket(pid, nspid)
      if (opened !== undefined) return opened
      await sleep(pollMs)
    }
  } catch (error) {
    throw systemCode(error) === 'EPERM' ? notPermitted(pid, 'be sent SIGQUIT', 'KILL') : error
  } finally {
    removeTrigger()
  }
  throw silent(target)
}

/** Undefined where there is nothing; throws where there is something else. */
function pinSocket(pid: number, nspid: number): number | undefined {
  const path = attachSocketOf(nspid)
  let fd: number
  try {
    fd = pinBeneath(rootOf(pid), path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    if (systemCode(error) === 'EACCES') throw notPermitted(pid, 'have its files read', 'SYS_PTRACE')
    throw new ProfilerError('SP_TOOL_FAILED', `${path} of process ${pid} cannot be reached`, {
      cause: error,
    })
  }
  if (fs.fstatSync(fd).isSocket()) return fd
  fs.closeSync(fd)
  throw new ProfilerError('SP_TOOL_FAILED', `${path} of process ${pid} is no socket`, {
    facts: { everyWay: true },
  })
}

/** The file that makes SIGQUIT mean "listen". Another attach may have put it there: then it is not ours to remove. */
function placeTrigger({ pid }: Target, nspid: number): () => void {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants
  const name = `.attach_pid${nspid}`
  const { uid, gid } = readStatus(pid)
  const folder = pinBeneath(rootOf(pid), '/tmp')
  const path = `${pathOfDescriptor(folder)}/${name}`
  try {
    const fd = fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
    try {
      // JDK 8 trusts only its own user's file; where we may not give it away, later ones trust root's.
      if (uid !== process.geteuid?.()) fs.fchownSync(fd, uid, gid)
    } catch (error) {
      if (systemCode(error) !== 'EPERM') throw error
    } finally {
      fs.closeSync(fd)
    }
  } catch (error) {
    fs.closeSync(folder)
    if (systemCode(error) !== 'EEXIST') {
      throw new ProfilerError('SP_TOOL_FAILED', `/tmp of process ${pid} cannot be written to`, {
        cause: error,
      })
    }
    const pinned = pinBeneath(rootOf(pid), `/tmp/${name}`)
    const found = fs.fstatSync(pinned)
    fs.closeSync(pinned)
    if (found.isFile() && (found.uid === uid || found.uid === 0)) return () => {}
    throw new ProfilerError(
      'SP_TOOL_FAILED',
      `/tmp/${name} of process ${pid} is not what it is for`,
    )
  }
  return () => {
    fs.rmSync(path, { force: true })
    fs.closeSync(folder)
  }
}

async function converse(
  target: Target,
  connection: net.Socket,
  request: string,
  until: number,
  signal: AbortSignal | undefined,
): Promise<AttachAnswer> {
  const giveUp = () => connection.destroy(silent(target))
  const timer = setTimeout(giveUp, until - performance.now())
  signal?.addEventListener('abort', giveUp, { once: true })
  try {
    // Written before it is connected: a JVM that stands still reads it when it goes on.
    connection.write(request)
    const parts: Buffer[] = []
    let length = 0
    for await (const part of connection as AsyncIterable<Buffer>) {
      length += part.length
      if (length > maxAnswerBytes) break
      parts.push(part)
    }
    const [code = '', ...text] = Buffer.concat(parts).toString('utf8').split('\n')
    if (!/^\d+$/.test(code)) {
      throw new ProfilerError('SP_TOOL_FAILED', `the JVM ${target.pid} closed the connection`)
    }
    return { code: Number(code), text: text.join('\n') }
  } catch (error) {
    if (error instanceof ProfilerError) throw error
    if (systemCode(error) === 'EACCES') {
      throw notPermitted(target.pid, 'be connected to', 'DAC_OVERRIDE')
    }
    // Refused, or reset: it was there a moment ago.
    checkSame(target)
    throw new ProfilerError('SP_TOOL_FAILED', `the JVM ${target.pid} cannot be connected to`, {
      cause: error,
    })
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', giveUp)
    connection.destroy()
  }
}

/** Does something synchronous with the user and group of the target. */
function as<T>({ uid, gid }: { readonly uid: number; readonly gid: number }, act: () => T): T {
  const { geteuid, getegid, seteuid, setegid } = process
  const [ownUid, ownGid] = [geteuid!(), getegid!()]
  if (ownUid === uid && ownGid === gid) return act()
  try {
    // The group first: as another user we could no longer change it.
    setegid!(gid)
    seteuid!(uid)
    return act()
  } catch (cause) {
    throw new ProfilerError(
      'SP_NOT_PERMITTED',
      `we may not act as uid ${uid}: add the capabilities SETUID and SETGID`,
      { cause },
    )
  } finally {
    seteuid!(ownUid)
    setegid!(ownGid)
  }
}

/** Never throws, for it is made when a timer fires. */
function silent(target: Target): ProfilerError {
  const { pid } = target
  try {
    checkSame(target)
    const isStopped = /[Tt]/.test(readStat(pid).state)
    return new ProfilerError(
      'SP_TOOL_FAILED',
      `the JVM ${pid} does not answer${isStopped ? ': it is stopped (SIGSTOP, or a debugger)' : ''}`,
      // Who asks it otherwise is not answered either, and no other tool that asks.
      { facts: { everyWay: true, isSilent: true } },
    )
  } catch (error) {
    if (error instanceof ProfilerError) return error
    throw error
  }
}

function notPermitted(pid: number, what: string, capability: string): ProfilerError {
  return new ProfilerError(
    'SP_NOT_PERMITTED',
    `the JVM ${pid} may not ${what}: run as its user, or add the capability ${capability}`,
  )
}
