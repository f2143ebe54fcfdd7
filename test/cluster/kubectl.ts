// The cluster as scripts/test-cluster has started it, asked by kubectl: what a person would type.

import { execFile, execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

/** The node's own folder: what is put into `pictures` outlives it. */
export const folder = process.env.SP_NODE_FOLDER!
/** What is shipped for a cluster. */
export const deploy = path.resolve(import.meta.dirname, '../../image/deploy')
/** Where pods reach what runs beside them on the node. */
export const nodeAddress = process.env.SP_NODE_ADDRESS!

/** @throws with what kubectl said */
export async function kubectl(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('kubectl', args, { maxBuffer: 16 * 2 ** 20 })
  return stdout.trim()
}

export function apply(...manifests: readonly object[]): void {
  const list = { apiVersion: 'v1', kind: 'List', items: manifests }
  execFileSync('kubectl', ['apply', '-f', '-'], { input: JSON.stringify(list) })
}

/** A namespace that is empty, with the settings that the profiler and the app are given. */
export function makeNamespace(name: string, secrets: Readonly<Record<string, SecretData>>): void {
  apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  for (const [secret, stringData] of Object.entries(secrets)) {
    apply({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: secret, namespace: name },
      stringData,
    })
  }
}

/** Its busy apps would slow what comes next. */
export async function emptyNamespace(name: string): Promise<void> {
  await kubectl('delete', 'pods', '--all', '--namespace', name, '--grace-period=1')
}
export type SecretData = Readonly<Record<string, string>>

/** @returns its address, once each of its containers runs and is ready */
export async function readyPod(namespace: string, pod: string): Promise<string> {
  const of = ['--namespace', namespace, `pod/${pod}`]
  await kubectl('wait', '--for=condition=Ready', '--timeout=120s', ...of)
  return kubectl('get', ...of, '-o', 'jsonpath={.status.podIP}')
}

/** What goes wrong is told with what the pod and its containers say of it. */
export async function inPod<Answer>(
  namespace: string,
  pod: string,
  work: () => Promise<Answer>,
): Promise<Answer> {
  try {
    return await work()
  } catch (error) {
    const of = ['--namespace', namespace, `pod/${pod}`]
    const said = await Promise.allSettled([
      kubectl('describe', ...of),
      kubectl('logs', ...of, '--all-containers', '--prefix', '--timestamps'),
    ])
    const words = said.map(each => (each.status === 'fulfilled' ? each.value : each.reason.message))
    throw new Error([(error as Error).message, ...words].join('\n\n'), { cause: error })
  }
}

/** Asks until there is an answer. @throws with what it was, after so many seconds */
export async function eventually<Answer>(
  what: string,
  seconds: number,
  ask: () => Answer | undefined | Promise<Answer | undefined>,
  everyMs = 50,
): Promise<Answer> {
  const endMs = performance.now() + seconds * 1000
  while (performance.now() < endMs) {
    const answer = await ask()
    if (answer !== undefined) return answer
    await sleep(everyMs)
  }
  throw new Error(`${what}: not after ${seconds} s`)
}

/** One line of the table that is printed at the end. */
export function note(what: string, seconds: number, budget?: number): void {
  const most = budget === undefined ? '' : `(at most ${budget} s)`
  const line = `${what.padEnd(64)} ${seconds.toFixed(2).padStart(7)} s  ${most}`
  fs.appendFileSync(path.join(folder, 'table'), `${line.trimEnd()}\n`)
}

/** For the eyes, after the node has gone. */
export function keepPicture(name: string, svg: string | Buffer): void {
  const pictures = path.join(folder, 'pictures')
  fs.mkdirSync(pictures, { recursive: true })
  fs.writeFileSync(path.join(pictures, name), svg)
}
