// Pods, played by podman: an application and the profiler's image beside it, in
// one PID namespace, each with a root file system of its own.
// https://docs.podman.io/en/v4.3/markdown/podman-kube-play.1.html
//
// The traps of podman 4: seccompProfile of a pod is ignored, and only the
// annotation counts; a user that is not root gets the capabilities that are added
// as ambient ones, which Kubernetes does not do.

import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findOnPath } from '../apps/apps.ts'
import { containerSettings, type Output } from '../apps/containers.ts'
import { freePort } from '../stores.ts'
import { temporaryFolder } from '../temporary.ts'

export interface App {
  readonly image: string
  readonly command: readonly string[]
  /** Of what the image has not: folders of this machine, by the path that they have there. */
  readonly mounts?: Readonly<Record<string, string>>
  readonly uid?: number
  readonly isReadOnly?: boolean
  /** A file system of this machine instead of the image's /tmp. */
  readonly tmp?: string
}

export interface Profiler {
  readonly uid?: number
  readonly capabilities: readonly string[]
  /** A file of the machine's; undefined: nothing is filtered. */
  readonly seccomp?: string
  readonly args?: readonly string[]
  /** In MiB: of everything that runs in the container. */
  readonly memory?: number
  readonly mounts?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
}

export interface PodOptions {
  readonly app: App
  readonly profiler: Profiler
  readonly isShared?: boolean
}

export interface Pod {
  readonly name: string
  /** Runs a command in the profiler's container, as `kubectl exec` would. */
  exec(command: readonly string[], options?: ExecOptions): Promise<Output>
  /** In the application's. */
  execInApp(command: readonly string[]): Promise<Output>
  /** What the profiler's container wrote. */
  log(container?: 'profiler' | 'app'): string
  /** As this machine sees it: the container's first process. */
  pidOf(container: 'profiler' | 'app'): number
  isRunning(container: 'profiler' | 'app'): boolean
  /** As the kubelet does with one that has ended. */
  restartApp(): void
  close(): void
}

export interface ExecOptions {
  readonly user?: string
  readonly input?: string
}

export const profilerImage = process.env.SP_PROFILER_IMAGE ?? 'localhost/sp-profiler:dev'

/** What is not here of that which pods need. */
export function lackingForPods(): string[] {
  const tools = ['podman', 'runc'].filter(name => findOnPath(name) === undefined)
  if (tools.length > 0) return tools
  return hasImage(profilerImage)
    ? []
    : [`the image ${profilerImage} (scripts/build-image makes it)`]
}

export function hasImage(name: string): boolean {
  try {
    podman(['image', 'exists', name])
    return true
  } catch {
    return false
  }
}

/** An image of these files, the keys their places; a value is a file of this machine. */
export function makeImage(name: string, files: Readonly<Record<string, string>>): void {
  const root = temporaryFolder()
  for (const folder of ['proc', 'sys', 'dev', 'etc', 'run', 'tmp', 'usr']) {
    fs.mkdirSync(path.join(root, folder))
  }
  fs.chmodSync(path.join(root, 'tmp'), 0o1777)
  for (const link of ['bin', 'sbin', 'lib', 'lib64']) {
    const isElsewhere = Object.keys(files).some(file => file.startsWith(`/${link}/`))
    if (!isElsewhere) fs.symlinkSync(`usr/${link}`, path.join(root, link))
  }
  for (const [place, file] of Object.entries(files)) {
    const to = path.join(root, place)
    fs.mkdirSync(path.dirname(to), { recursive: true })
    fs.copyFileSync(file, to)
    fs.chmodSync(to, 0o755)
  }
  const tar = `${root}.tar`
  execFileSync('tar', ['--create', `--file=${tar}`, `--directory=${root}`, '.'])
  podman(['import', '--quiet', tar, name])
  fs.rmSync(tar)
}

export function removeImage(name: string): void {
  podman(['image', 'rm', '--force', name])
}

let pods = 0

/** Plays it, and waits until both containers run and the daemon listens. */
export async function playPod(options: PodOptions): Promise<Pod> {
  const name = `sp-pod-${process.pid}-${++pods}`
  const file = path.join(temporaryFolder(), 'pod.json')
  fs.writeFileSync(file, JSON.stringify(manifestOf(name, options)))
  const { seccomp } = options.profiler
  const root = seccomp === undefined ? [] : [`--seccomp-profile-root=${path.dirname(seccomp)}`]
  const close = () => podman(['pod', 'rm', '--force', '--time=0', '--ignore', name])
  try {
    podman(['kube', 'play', '--quiet', ...root, file])
  } catch (error) {
    close()
    throw error
  }
  const inspect = (container: string, format: string) =>
    podman(['inspect', '--format', format, `${name}-${container}`]).trim()
  const pod: Pod = {
    name,
    exec: (command, { user, input } = {}) => {
      const as = user === undefined ? [] : [`--user=${user}`]
      const from = input === undefined ? [] : ['--interactive']
      return podmanLater(['exec', ...as, ...from, `${name}-profiler`, ...command], input)
    },
    execInApp: command => podmanLater(['exec', `${name}-app`, ...command]),
    log: (container = 'profiler') => podman(['logs', `${name}-${container}`], true),
    pidOf: container => Number(inspect(container, '{{.State.Pid}}')),
    isRunning: container => inspect(container, '{{.State.Running}}') === 'true',
    restartApp: () => podman(['restart', '--time=0', `${name}-app`]),
    close,
  }
  for (let tries = 0; tries < 100; tries++) {
    const isRunning = pod.isRunning('app') && pod.isRunning('profiler')
    if (isRunning && pod.log().includes('the door is open')) return pod
    await sleep(100)
  }
  const said = `${pod.log('app')}\n${pod.log()}`
  close()
  throw new Error(`the pod does not run: ${said}`)
}

/** Ports of this machine, for a pod that has its network. */
export async function freePorts(): Promise<{ readonly listen: number; readonly tls: number }> {
  return { listen: await freePort(), tls: await freePort() }
}

function manifestOf(name: string, { app, profiler, isShared = true }: PodOptions): object {
  const volumes: object[] = []
  const mount = (at: Readonly<Record<string, string>>, readOnly: boolean) =>
    Object.entries(at).map(([mountPath, folder]) => {
      const volume = `volume-${volumes.length}`
      volumes.push({ name: volume, hostPath: { path: folder } })
      return { name: volume, mountPath, readOnly }
    })
  const confined = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } }
  const { uid = 1000, isReadOnly = false } = app
  const containers = [
    {
      name: 'app',
      image: app.image,
      imagePullPolicy: 'Never',
      command: app.command,
      securityContext: {
        ...confined,
        runAsUser: uid,
        runAsGroup: uid,
        readOnlyRootFilesystem: isReadOnly,
      },
      volumeMounts: [
        ...mount(app.mounts ?? {}, true),
        ...mount(app.tmp === undefined ? {} : { '/tmp': app.tmp }, false),
      ],
    },
    {
      name: 'profiler',
      image: profilerImage,
      imagePullPolicy: 'Never',
      args: ['sp-flamegraph', 'serve', ...(profiler.args ?? [])],
      env: Object.entries(profiler.env ?? {}).map(([name, value]) => ({ name, value })),
      securityContext: {
        capabilities: { drop: ['ALL'], add: profiler.capabilities },
        runAsUser: profiler.uid ?? 0,
        runAsGroup: profiler.uid ?? 0,
        readOnlyRootFilesystem: true,
      },
      ...(profiler.memory !== undefined && {
        resources: { limits: { memory: `${profiler.memory}Mi` } },
      }),
      volumeMounts: [
        ...mount({ '/tmp': openFolder() }, false),
        ...mount(profiler.mounts ?? {}, true),
      ],
    },
  ]
  const seccomp =
    profiler.seccomp === undefined ? 'unconfined' : `localhost/${path.basename(profiler.seccomp)}`
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      annotations: { 'container.seccomp.security.alpha.kubernetes.io/profiler': seccomp },
    },
    spec: {
      shareProcessNamespace: isShared,
      hostNetwork: true,
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      containers,
      volumes,
    },
  }
}

/** As an emptyDir is: whoever the container runs as may write into it. */
export function openFolder(): string {
  const folder = temporaryFolder()
  fs.chmodSync(folder, 0o1777)
  return folder
}

let settingsFile: string | undefined

function environment(): NodeJS.ProcessEnv {
  if (settingsFile === undefined) {
    settingsFile = path.join(temporaryFolder(), 'containers.conf')
    fs.writeFileSync(settingsFile, containerSettings)
  }
  return { ...process.env, CONTAINERS_CONF: settingsFile }
}

/** Beside a container that ran out of memory podman leaves a file, where it was called from. */
function workFolder(): string {
  environment()
  return path.dirname(settingsFile!)
}

function podman(args: readonly string[], withErrors = false): string {
  const stdio = ['ignore', 'pipe', 'pipe'] as const
  if (!withErrors) {
    return execFileSync('podman', args, {
      env: environment(),
      cwd: workFolder(),
      encoding: 'utf8',
      stdio: [...stdio],
    })
  }
  // What a container writes to its standard error is what podman writes to its own.
  const shell = 'exec podman "$@" 2>&1'
  const options = { env: environment(), cwd: workFolder(), encoding: 'utf8' } as const
  return execFileSync('sh', ['-c', shell, 'sh', ...args], options)
}

function podmanLater(args: readonly string[], input?: string): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = spawn('podman', args, {
      env: environment(),
      cwd: workFolder(),
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const said = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', piece => (said.stdout += piece))
    child.stderr.setEncoding('utf8').on('data', piece => (said.stderr += piece))
    child.on('error', reject)
    child.on('close', code => resolve({ code, ...said }))
    child.stdin.end(input)
  })
}
