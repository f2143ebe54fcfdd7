// The one reader of /proc: every path that begins with it is spelled in the files of `procfs/`, and
// whoever wants to know something of it asks here.
//
// https://man7.org/linux/man-pages/man5/proc.5.html
//
// The trap: a pid is a number, not a process. Whoever keeps a pid keeps the
// start time (field 22 of stat) beside it and compares. The other trap: what is
// read here was written by the target (its name, its paths), so every size is
// bounded and nothing is ever taken for text that a shell or a page may see.

export { O_PATH, pathOfDescriptor } from './procfs/descriptors.ts'
export { openKallsyms, readBootId, readKernelSetting } from './procfs/kernel.ts'
export { type Mapping, openMemory, pinMapFile, readMaps, readVdsoStart } from './procfs/memory.ts'
export { hidesOtherUsers, type Mount, readMount } from './procfs/mounts.ts'
export { readMountNamespace, rootOf, sharesNamespace } from './procfs/namespaces.ts'
export { beEndedFirst } from './procfs/oom.ts'
export { readProc } from './procfs/proc.ts'
export {
  openExecutable,
  readArguments,
  readContainerId,
  readEnvironmentVariable,
  readExecutable,
} from './procfs/program.ts'
export { type Listener, readListeners, readSockets, type Socket } from './procfs/sockets.ts'
export { listPids, readStat, readUptime, type Stat, ticksPerSecond } from './procfs/stat.ts'
export { isDumpable, readSecurityLabel, readStatus, type Status } from './procfs/status.ts'
export { readChildren, readSwitches, readThreadNames, readThreadTicks } from './procfs/threads.ts'
export { measureTickHertz } from './procfs/ticks.ts'
