// A pod, with podman and without any image: what the containers see is this
// machine's /usr and this checkout, read-only, in a root of their own.
//
// The settings are what it takes on a machine whose root may not raise limits
// and whose cgroups are of both versions.

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { temporaryFolder } from '../temporary.ts'
import { findOnPath } from './apps.ts'

const checkout = path.resolve(import.meta.dirname, '../..')
const engineProfile = '/usr/share/containers/seccomp.json'

export interface Confined {
  readonly uid: number
  readonly gid: number
  readonly capabilities: readonly string[]
  /** A file, or `unconfined`. */
  readonly seccomp: string
}

export interface Containers {
  /** A container that runs until the tests have ended; answers its name. */
  start(command: readonly string[], how: Confined, mounts?: readonly string[]): string
  /** Runs a command in a container that shares the PID namespace of that one; answers what it printed. */
  beside(pod: string, command: readonly string[], how: Confined): Promise<Output>
  /** As this machine sees it, of the container's first process. */
  pidOf(pod: string): number
  /** Ends every one of them; nothing of them is left. */
  close(): void
}

export interface Output {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** undefined where containers cannot run here; then `why` says so. */
export function openContainers(): Containers | { readonly why: string } {
  if (findOnPath('podman') === undefined) return { why: 'podman' }
  const folder = temporaryFolder()
  const podman = podmanIn(folder)
  const containers: Containers = {
    start(command: readonly string[], how: Confined, mounts: readonly string[] = []) {
      const options = ['-d', ...mounts.flatMap(each => ['-v', each])]
      return podman.run(options, command, how).trim()
    },
    beside: (pod: string, command: readonly string[], how: Confined) =>
      podman.runLater(['--rm', `--pid=container:${pod}`], command, how),
    pidOf: (pod: string) => Number(podman.say(['inspect', '-f', '{{.State.Pid}}', pod])),
    close() {
      podman.say(['rm', '--all', '--force', '--time=0'])
      // podman may mount its own storage upon itself, several times, and leave it so; another podman
      // that ends meanwhile may do it once more.
      for (let tries = 0; tries < 20 && mountsBelow(folder).length > 0; tries++) {
        for (const each of mountsBelow(folder).reverse()) {
          spawnSync('umount', ['--lazy', each], { stdio: 'ignore' })
        }
      }
    },
  }
  try {
    podman.run(['--rm'], ['true'], plain)
    return containers
  } catch (error) {
    return { why: `podman that can run a container (${(error as Error).message.slice(0, 200)})` }
  }
}

/** Of this machine, the oldest first. */
function mountsBelow(folder: string): string[] {
  const lines = fs.readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n')
  return lines.map(line => line.split(' ')[4]!).filter(place => place.startsWith(`${folder}/`))
}

export const plain: Confined = { uid: 0, gid: 0, capabilities: [], seccomp: 'unconfined' }

function podmanIn(folder: string) {
  const root = makeRoot(folder)
  // What has been compiled in one container need not be again in the next.
  const cache = path.join(folder, 'cache')
  fs.mkdirSync(cache)
  fs.chmodSync(cache, 0o777)
  const conf = path.join(folder, 'containers.conf')
  fs.writeFileSync(conf, containerSettings)
  const env = { ...process.env, CONTAINERS_CONF: conf, TMPDIR: folder }
  const storage = [`--root=${folder}/store`, `--runroot=${folder}/run`]
  const words = (options: readonly string[], command: readonly string[], how: Confined) => [
    ...storage,
    'run',
    ...options,
    `--user=${how.uid}:${how.gid}`,
    '--cap-drop=ALL',
    ...how.capabilities.map(each => `--cap-add=${each}`),
    `--security-opt=seccomp=${how.seccomp}`,
    '--volume=/usr:/usr:ro',
    `--volume=${checkout}:${checkout}:ro`,
    `--volume=${cache}:/cache`,
    '--env=NODE_COMPILE_CACHE=/cache',
    `--env=PATH=${checkout}/.cache/py-spy/bin:${path.dirname(process.execPath)}:/usr/bin:/bin`,
    '--workdir=/tmp',
    '--rootfs',
    `${root}:O`,
    ...command,
  ]
  const options = { env, encoding: 'utf8' } as const
  return {
    say: (args: readonly string[]) => execFileSync('podman', [...storage, ...args], options),
    run: (...how: Parameters<typeof words>) => execFileSync('podman', words(...how), options),
    runLater: (...how: Parameters<typeof words>) =>
      new Promise<Output>((resolve, reject) => {
        const child = spawn('podman', words(...how), { env, stdio: ['ignore', 'pipe', 'pipe'] })
        const said = { stdout: '', stderr: '' }
        child.stdout.setEncoding('utf8').on('data', piece => (said.stdout += piece))
        child.stderr.setEncoding('utf8').on('data', piece => (said.stderr += piece))
        child.on('error', reject)
        child.on('close', code => resolve({ code, ...said }))
      }),
  }
}

/** What podman needs where root may not raise limits, and cgroups are of both versions. */
export const containerSettings = `[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
netns = "host"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
`

/** Folders to mount upon, and the links that a system with everything in /usr has. */
function makeRoot(folder: string): string {
  const root = path.join(folder, 'root')
  for (const name of ['usr', 'proc', 'sys', 'dev', 'etc', 'run', 'tmp']) {
    fs.mkdirSync(path.join(root, name), { recursive: true })
  }
  fs.chmodSync(path.join(root, 'tmp'), 0o1777)
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    if (fs.existsSync(`/usr/${name}`)) fs.symlinkSync(`usr/${name}`, path.join(root, name))
  }
  return root
}

/**
 * The engine's own profile, in which PERFMON opens perf_event_open and BPF opens bpf: so do Docker's and
 * containerd's since 2021, but podman 4 still wants SYS_ADMIN.
 */
export function modernProfile(): string {
  const profile = JSON.parse(fs.readFileSync(engineProfile, 'utf8'))
  const moved = ['perf_event_open', 'bpf']
  for (const rule of profile.syscalls) {
    rule.names = rule.names.filter((name: string) => !moved.includes(name))
  }
  for (const [name, capability] of [
    ['perf_event_open', 'CAP_PERFMON'],
    ['bpf', 'CAP_BPF'],
  ]) {
    const allow = { names: [name], action: 'SCMP_ACT_ALLOW', args: [] }
    const refuse = { ...allow, action: 'SCMP_ACT_ERRNO', errnoRet: 1, errno: 'EPERM' }
    const both = [capability, 'CAP_SYS_ADMIN']
    for (const each of both) profile.syscalls.push({ ...allow, includes: { caps: [each] } })
    profile.syscalls.push({ ...refuse, excludes: { caps: both } })
  }
  return write(profile)
}

/** Everything is allowed but these, which are answered with this error. */
export function profileAgainst(names: readonly string[], error: number | 'kill'): string {
  const action = error === 'kill' ? 'SCMP_ACT_KILL_PROCESS' : 'SCMP_ACT_ERRNO'
  const rule = { names, action, ...(error !== 'kill' && { errnoRet: error }) }
  return write({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [rule] })
}

function write(profile: unknown): string {
  const file = path.join(temporaryFolder(), 'seccomp.json')
  fs.writeFileSync(file, JSON.stringify(profile))
  return file
}
