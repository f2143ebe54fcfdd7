// The one reader of /proc: every path that begins with it is spelled in this file.
//
// https://man7.org/linux/man-pages/man5/proc.5.html
//
// The trap: a pid is a number, not a process. Whoever keeps a pid keeps the
// start time (field 22 of stat) beside it and compares. The other trap: what is
// read here was written by the target (its name, its paths), so every size is
// bounded and nothing is ever taken for text that a shell or a page may see.

import fs from 'node:fs'
import { ProfilerError, systemCode } from '../errors.ts'

export interface Stat {
  readonly pid: number
  /** Ends in `…` where the kernel may have cut it: redaction has to know that more may follow. */
  readonly comm: string
  /** One letter: R, S, D, Z, T, t, X, I. */
  readonly state: string
  readonly parentPid: number
  /** Runs no program of its own: kworker, ksoftirqd and their like. */
  readonly isKernelThread: boolean
  /** User and system time of all its threads, living and dead. */
  readonly cpuTicks: number
  readonly threads: number
  /** Since boot. Together with the pid it names one process for good. */
  readonly startTicks: number
  readonly residentBytes: number
  /** Where its stack began at its last exec: a fork leaves it there. 0 where that may not be read. */
  readonly stackStart: number
}

/** USER_HZ: 100 on every Linux that Node runs on, whatever CONFIG_HZ is. */
export const ticksPerSecond = 100

// TASK_COMM_LEN of the kernel is 16, with the NUL.
const maxCommBytes = 15
// PF_KTHREAD of the kernel's sched.h, in the flags of stat.
const kernelThreadFlag = 0x0020_0000

// Of every architecture that there is an image for.
const pageBytes = 4096

/** @throws {ProfilerError} `SP_TARGET_GONE` */
export function readStat(pid: number): Stat {
  const bytes = readProc(pid, 'stat', 4096)
  // The name stands in parentheses and may hold any byte, parentheses too.
  const end = bytes.lastIndexOf(')')
  const name = bytes.subarray(bytes.indexOf('(') + 1, end)
  const fields = bytes.toString('latin1', end + 2).split(' ')
  return {
    pid,
    comm: `${name}${name.length === maxCommBytes ? '…' : ''}`,
    state: fields[0]!,
    parentPid: Number(fields[1]),
    isKernelThread: (Number(fields[6]) & kernelThreadFlag) !== 0,
    cpuTicks: Number(fields[11]) + Number(fields[12]),
    threads: Number(fields[17]),
    startTicks: Number(fields[19]),
    residentBytes: Number(fields[21]) * pageBytes,
    stackStart: Number(fields[25]),
  }
}

export interface Status {
  readonly uid: number
  readonly gid: number
  /** The pid as the process sees it itself, in its innermost PID namespace. */
  readonly nspid: number
  readonly tracerPid: number
  readonly effectiveCapabilities: bigint
  readonly permittedCapabilities: bigint
  /** What a program that it starts as root would have. */
  readonly boundingCapabilities: bigint
  readonly caughtSignals: bigint
  readonly ignoredSignals: bigint
  /** 0 no filter, 1 strict, 2 filtered. */
  readonly seccomp: number
}

/** @throws {ProfilerError} `SP_TARGET_GONE` */
export function readStatus(pid: number | 'self'): Status {
  const fields = new Map<string, string>()
  for (const line of readProc(pid, 'status', 64 * 1024)
    .toString('utf8')
    .split('\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  const number = (key: string, column: number) =>
    Number((fields.get(key) ?? '').split(/\s+/).at(column) ?? Number.NaN)
  const mask = (key: string) => BigInt(`0x${fields.get(key) ?? '0'}`)
  return {
    uid: number('Uid', 1),
    gid: number('Gid', 1),
    nspid: number(fields.has('NStgid') ? 'NStgid' : 'NSpid', -1),
    tracerPid: number('TracerPid', 0),
    effectiveCapabilities: mask('CapEff'),
    permittedCapabilities: mask('CapPrm'),
    boundingCapabilities: mask('CapBnd'),
    caughtSignals: mask('SigCgt'),
    ignoredSignals: mask('SigIgn'),
    seccomp: Number(fields.get('Seccomp') ?? 0),
  }
}

export function listPids(): number[] {
  return fs
    .readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
}

/** Processes that it started and that still run; empty where the kernel does not list them. */
export function readChildren(pid: number): number[] {
  const threads = attempt(() => fs.readdirSync(`/proc/${pid}/task`)) ?? []
  return threads.slice(0, maxThreads).flatMap(thread => {
    const text = attempt(() => readProc(pid, `task/${thread}/children`, 64 * 1024).toString())
    return (text ?? '').split(' ').filter(Boolean).map(Number)
  })
}

/** Seconds since boot, on the clock of `startTicks`. */
export function readUptime(): number {
  return Number(fs.readFileSync('/proc/uptime', 'latin1').split(' ')[0])
}

/** The CPU time of one of its threads, in ticks; undefined when that thread is gone. */
export function readThreadTicks(pid: number, thread: number): number | undefined {
  const text = attempt(() => readProc(pid, `task/${thread}/stat`, 4096).toString('latin1'))
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields && Number(fields[11]) + Number(fields[12])
}

/** The arguments as the process shows them: for fingerprints, never to be published. */
export function readArguments(pid: number): string[] {
  const text = readProc(pid, 'cmdline', 64 * 1024).toString('utf8')
  return text.split('\0').filter(argument => argument !== '')
}

/** One variable of the environment that the process was started with. */
export function readEnvironmentVariable(pid: number, name: string): string | undefined {
  const entries = readProc(pid, 'environ', 1 << 20)
    .toString('utf8')
    .split('\0')
  return entries.find(entry => entry.startsWith(`${name}=`))?.slice(name.length + 1)
}

/** The executable's path as the target's mount namespace has it, without ` (deleted)`. */
export function readExecutable(pid: number): string {
  return withReason(pid, () => fs.readlinkSync(`/proc/${pid}/exe`)).replace(/ \(deleted\)$/, '')
}

/** The 64 hex digits that container runtimes put into the cgroup's path. */
export function readContainerId(pid: number): string | undefined {
  const text = readProc(pid, 'cgroup', 64 * 1024).toString('utf8')
  return /[/-]([0-9a-f]{64})(?:\.scope)?(?:\/|$)/m.exec(text)?.[1]
}

/** The names of its threads: what a runtime calls its own is a hint that needs no permission. */
export function readThreadNames(pid: number): string[] {
  return withReason(pid, () => fs.readdirSync(`/proc/${pid}/task`))
    .slice(0, maxThreads)
    .flatMap(thread => {
      try {
        return [fs.readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8').trimEnd()]
      } catch {
        // It ended while we looked.
        return []
      }
    })
}

/** How often its threads have left a core since they began: of those that live now. */
export function readSwitches(pid: number): number {
  let switches = 0
  for (const thread of withReason(pid, () => fs.readdirSync(`/proc/${pid}/task`)).slice(
    0,
    maxThreads,
  )) {
    try {
      const text = fs.readFileSync(`/proc/${pid}/task/${thread}/status`, 'latin1')
      for (const [, count] of text.matchAll(/^(?:non)?voluntary_ctxt_switches:\t(\d+)$/gm)) {
        switches += Number(count)
      }
    } catch {
      // It ended while we looked.
    }
  }
  return switches
}

// A JVM of a large service has some thousand; names repeat long before that.
const maxThreads = 4096

export interface Listener {
  /** `127.0.0.1`, `::`, as the process bound it. */
  readonly address: string
  readonly port: number
}

/** A TCP socket of a network namespace, whoever has it. */
export interface Socket extends Listener {
  readonly state: 'listening' | 'connected' | 'other'
  /** 0 when no process has it any more. */
  readonly inode: number
}

/**
 * The TCP ports on which this very process listens, in its own network namespace.
 *
 * @throws {ProfilerError} `SP_NOT_PERMITTED` where its descriptors may not be read
 */
export function readListeners(pid: number): Listener[] {
  const own = new Set<number>()
  for (const fd of withReason(pid, () => fs.readdirSync(`/proc/${pid}/fd`))) {
    const link = attempt(() => fs.readlinkSync(`/proc/${pid}/fd/${fd}`))
    const inode = /^socket:\[(\d+)\]$/.exec(link ?? '')?.[1]
    if (inode !== undefined) own.add(Number(inode))
  }
  return readSockets(pid)
    .filter(({ state, inode }) => state === 'listening' && own.has(inode))
    .map(({ address, port }) => ({ address, port }))
}

/** All TCP sockets of the network namespace that the process is in. Needs no permission. */
export function readSockets(pid: number): Socket[] {
  return ['tcp', 'tcp6'].flatMap(table => {
    const text = attempt(() => readProc(pid, `net/${table}`, maxSocketBytes).toString('latin1'))
    return (text ?? '').split('\n').flatMap(line => {
      const [, local, , state = '', , , , , , inode] = line.trim().split(/\s+/)
      const [address, port] = (local ?? '').split(':')
      if (inode === undefined || port === undefined) return []
      return [
        {
          address: readAddress(address!),
          port: Number.parseInt(port, 16),
          state: socketStates.get(state) ?? ('other' as const),
          inode: Number(inode),
        },
      ]
    })
  })
}

// TCP_LISTEN and TCP_ESTABLISHED of the kernel's tcp_states.h.
const socketStates: ReadonlyMap<string, Socket['state']> = new Map([
  ['0A', 'listening'],
  ['01', 'connected'],
])
// 100,000 connections of 150 bytes each.
const maxSocketBytes = 16 << 20

/** Words of 32 bits in the byte order of the machine, of which each holds four bytes of the address. */
function readAddress(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap(word => [...Buffer.from(word, 'hex').reverse()])
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, at) =>
    ((bytes[2 * at]! << 8) | bytes[2 * at + 1]!).toString(16),
  )
  // As everybody writes the two that matter here.
  const full = groups.join(':')
  return full === '0:0:0:0:0:0:0:0' ? '::' : full === '0:0:0:0:0:0:0:1' ? '::1' : full
}

/**
 * Whether the target and we are in the same namespace of this kind. In another network its ports and
 * abstract sockets are not ours; in another PID namespace the numbers differ.
 *
 * @throws {ProfilerError} `SP_NOT_PERMITTED`, `SP_TARGET_GONE`
 */
export function sharesNamespace(pid: number, kind: 'net' | 'pid' | 'mnt'): boolean {
  const namespace = (whose: number | 'self') => fs.readlinkSync(`/proc/${whose}/ns/${kind}`)
  return withReason(pid, () => namespace(pid)) === namespace('self')
}

export interface Mount {
  /** Where it is mounted, as the target sees it. */
  readonly path: string
  readonly type: string
  readonly isReadOnly: boolean
  readonly isNoExec: boolean
}

/** The mount that holds a path in the target's mount namespace; undefined if that may not be read. */
export function readMount(pid: number, path: string): Mount | undefined {
  let best: Mount | undefined
  for (const line of readProc(pid, 'mountinfo', 4 << 20)
    .toString('utf8')
    .split('\n')) {
    // https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
    const [fields, rest] = line.split(' - ') as [string, string | undefined]
    const [, , , , where, options] = fields.split(' ')
    if (rest === undefined || where === undefined || options === undefined) continue
    const at = where.replace(/\\(\d{3})/g, (_, octal) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    )
    const holds = at === '/' || path === at || path.startsWith(`${at}/`)
    // Of two on the same place the later one hides the earlier.
    if (!holds || (best !== undefined && at.length < best.path.length)) continue
    const [type = '', , superOptions = ''] = rest.split(' ')
    const flags = new Set([...options.split(','), ...superOptions.split(',')])
    best = { path: at, type, isReadOnly: flags.has('ro'), isNoExec: flags.has('noexec') }
  }
  return best
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

export interface Mapping {
  readonly start: number
  readonly end: number
  readonly executable: boolean
  readonly fileOffset: number
  readonly device: { readonly major: number; readonly minor: number }
  readonly inode: number
  /** '' for anonymous memory; else a path or `[vdso]`, still with ` (deleted)` if it was. */
  readonly path: string
  /** As `map_files` names it: the two addresses in hex, without the zeros that maps puts before them. */
  readonly range: string
}

// A JVM or a browser has some ten thousand mappings of about 100 bytes; this is far above.
const maxMapsBytes = 64 << 20

/** @throws {ProfilerError} `SP_TARGET_GONE`, `SP_NOT_PERMITTED` */
export function readMaps(pid: number): Mapping[] {
  const mappings: Mapping[] = []
  for (const line of readProc(pid, 'maps', maxMapsBytes).toString('utf8').split('\n')) {
    const match =
      /^([0-9a-f]+)-([0-9a-f]+) (....) ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+) *(.*)$/.exec(line)
    if (match === null) continue
    const [, start, end, flags, offset, major, minor, inode, path] = match as unknown as string[]
    mappings.push({
      start: Number.parseInt(start!, 16),
      end: Number.parseInt(end!, 16),
      executable: flags![2] === 'x',
      fileOffset: Number.parseInt(offset!, 16),
      device: { major: Number.parseInt(major!, 16), minor: Number.parseInt(minor!, 16) },
      inode: Number(inode),
      // The kernel writes a newline in a path as \012.
      path: path!.replaceAll('\\012', '\n'),
      range: `${stripZeros(start!)}-${stripZeros(end!)}`,
    })
  }
  return mappings
}

function stripZeros(hex: string): string {
  return hex.replace(/^0+(?=.)/, '')
}

// Not in fs.constants. Names a file without opening it: no read permission, no
// driver woken by a device node, no wait for the other end of a FIFO.
export const O_PATH = 0o10000000

/** Names the very inode that is mapped, even if its path is gone. Needs CHECKPOINT_RESTORE or SYS_ADMIN. */
export function pinMapFile(pid: number, range: string): number {
  return fs.openSync(`/proc/${pid}/map_files/${range}`, O_PATH)
}

/** Opens the executable itself, even if its path is gone or holds another file now. */
export function openExecutable(pid: number): number {
  return withReason(pid, () => fs.openSync(`/proc/${pid}/exe`, fs.constants.O_RDONLY))
}

/** Where the kernel put the vdso into our own memory. Of all mappings this is a faster way to it. */
export function readVdsoStart(): number | undefined {
  // Pairs of 64 bits: a key, a value.
  const vector = readProc('self', 'auxv', 4096)
  for (let at = 0; at + 16 <= vector.length; at += 16) {
    if (vector.readUInt32LE(at) === vdsoKey) return Number(vector.readBigUInt64LE(at + 8))
  }
  return undefined
}

// AT_SYSINFO_EHDR of getauxval(3).
const vdsoKey = 33

/** Opens the target's memory. Also the harmless test of the permission to attach. */
export function openMemory(pid: number): number {
  return withReason(pid, () => fs.openSync(`/proc/${pid}/mem`, fs.constants.O_RDONLY))
}

/** Where the root of the target's mount namespace can be walked from. */
export function rootOf(pid: number): string {
  return `/proc/${pid}/root/`
}

/** A path that leads to whatever this process has open as `fd`. */
export function pathOfDescriptor(fd: number): string {
  return `/proc/self/fd/${fd}`
}

/** All kernel symbols, or undefined where the file cannot be read. */
export function openKallsyms(): number | undefined {
  try {
    return fs.openSync('/proc/kallsyms', fs.constants.O_RDONLY)
  } catch {
    return undefined
  }
}

// What CONFIG_HZ can be on the machines that we run on.
const tickRates = [100, 250, 300, 1000]
// Ten ticks of the slowest kernel; of the others as many are seen sooner.
const tickProbeMs = 100
const ticksProbed = 10

/**
 * How often a second the kernel's timer ticks (CONFIG_HZ), or undefined if that cannot be told.
 *
 * The configuration is rarely visible in a container, so it is measured: the kernel stamps an inode of
 * /proc with the time of the last tick, and fresh inodes show every tick. Takes up to 0.1 s.
 */
export function measureTickHertz(): number | undefined {
  const stamps = new Set<bigint>()
  const until = performance.now() + tickProbeMs
  while (performance.now() < until && stamps.size < ticksProbed) {
    const fd = fs.openSync('/dev/null', fs.constants.O_RDONLY)
    const name = `/proc/self/fdinfo/${fd}`
    stamps.add(fs.statSync(name, { bigint: true }).mtimeNs)
    fs.closeSync(fd)
    // A look at it while it is closed makes the kernel forget its inode.
    attempt(() => fs.statSync(name))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, tickProbeStepMs)
  }
  const sorted = [...stamps].sort((a, b) => (a < b ? -1 : 1))
  // The smallest distance is one tick: a busy machine lets us miss some, and then it is a multiple.
  const distances = sorted.slice(1).map((stamp, index) => Number(stamp - sorted[index]!))
  const tickNs = Math.min(...distances)
  return tickRates.find(hertz => Math.abs(tickNs * hertz - 1e9) < 0.02 * 1e9)
}

// A third of the shortest tick, so that none is missed while we run.
const tickProbeStepMs = 0.3

/** A kernel setting such as `perf_event_paranoid`, or undefined if this kernel has none. */
export function readKernelSetting(name: string): number | undefined {
  try {
    return Number(fs.readFileSync(`/proc/sys/kernel/${name}`, 'utf8').trim())
  } catch {
    return undefined
  }
}

/**
 * Whether the process lets others of its user look into it: prctl(2) PR_SET_DUMPABLE, or a program with
 * capabilities of its own, takes that away. Then its files belong to root, which anybody can see.
 */
export function isDumpable(pid: number): boolean {
  const { uid: owner } = withReason(pid, () => fs.statSync(`/proc/${pid}/maps`))
  return owner === withReason(pid, () => fs.statSync(`/proc/${pid}`)).uid
}

/** The mount namespace that it lives in; undefined where that may not be read. */
export function readMountNamespace(pid: number | 'self'): string | undefined {
  return attempt(() => fs.readlinkSync(`/proc/${pid}/ns/mnt`))
}

/** What a security module calls the process; undefined where there is no such module. */
export function readSecurityLabel(pid: number | 'self'): string | undefined {
  const label = attempt(() => readProc(pid, 'attr/current', 4096).toString('utf8'))
  return label?.replace(/\0|\s+$/g, '') || undefined
}

/** Whether `/proc` was mounted to hide the processes of other users (`hidepid`). */
export function hidesOtherUsers(): boolean {
  const mounts = attempt(() => readProc('self', 'mountinfo', 4 << 20).toString('utf8')) ?? ''
  return mounts
    .split('\n')
    .some(line => line.split(' ')[4] === '/proc' && /\bhidepid=(?!0|off)/.test(line))
}

/** @throws {ProfilerError} `SP_TARGET_GONE`, `SP_NOT_PERMITTED` */
export function readProc(pid: number | 'self', name: string, maxBytes: number): Buffer {
  return withReason(pid, () => {
    const fd = fs.openSync(`/proc/${pid}/${name}`, fs.constants.O_RDONLY)
    try {
      // The files of /proc have no size: read until nothing comes.
      const pieces: Buffer[] = []
      let total = 0
      while (total < maxBytes) {
        const piece = Buffer.allocUnsafe(Math.min(maxBytes - total, 64 * 1024))
        const count = fs.readSync(fd, piece, 0, piece.length, null)
        if (count === 0) break
        pieces.push(piece.subarray(0, count))
        total += count
      }
      return Buffer.concat(pieces)
    } finally {
      fs.closeSync(fd)
    }
  })
}

function withReason<T>(pid: number | 'self', read: () => T): T {
  try {
    return read()
  } catch (cause) {
    const code = systemCode(cause)
    if (code === 'ENOENT' || code === 'ESRCH') {
      throw new ProfilerError('SP_TARGET_GONE', `there is no process ${pid}`, { cause })
    }
    if (code === 'EACCES' || code === 'EPERM') {
      throw new ProfilerError(
        'SP_NOT_PERMITTED',
        `process ${pid} belongs to another user and CAP_SYS_PTRACE is not held`,
        { cause },
      )
    }
    throw cause
  }
}
