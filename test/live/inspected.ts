// What the tests of Node's inspector share.

import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import {
  isAlive,
  isOpen,
  type NodeOptions,
  type NodeTarget,
  releases,
  startScript,
} from '../apps/node.ts'
import { expectShares as expectKnown } from '../apps/shares.ts'
import { type Published, type Running, startCommand } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

/** Long enough for a first and a second segment. */
export const usual = ['-d', '2', '-F', '999']

type Command = readonly [string, ...string[]]
type StartTarget = (command: Command, options?: NodeOptions) => Promise<NodeTarget>

const lacking = ['20', '22', '24'].filter(release => !releases.has(release))

/** The title of what is tested under each release. */
export const eachRelease =
  `Node ${[...releases.keys()].join(', ')}` +
  (lacking.length === 0 ? '' : ` (without ${lacking}: scripts/setup tests brings it)`)

/** A test of what has to hold under each release: all at once, for most of a capture is waiting. */
export function inEachRelease(
  holds: (target: StartTarget, release: string) => Promise<void>,
): () => Promise<void> {
  return async () => {
    const each = async (release: string) => {
      try {
        await holds(
          (command, options = {}) => startScript(command, { release, ...options }),
          release,
        )
      } catch (error) {
        throw new Error(`Node ${release}: ${(error as Error).message}`, { cause: error })
      }
    }
    await Promise.all([...releases.keys()].map(each))
  }
}

/** Each share is as expected. */
export function expectShares(published: Published, shares: Readonly<Record<string, number>>): void {
  expectKnown(published, shares, name => new RegExp(`^${name}(?:_\\[j\\])?$`))
}

export function expectTool({ receipt }: Published, tool: string): void {
  expect(Object.keys(receipt.record.tools)).toContain(tool)
}

/** Nobody listens on the port any more, and the target goes on. */
export async function expectUnharmed(target: { pid: number; port: number }): Promise<void> {
  for (let tries = 0; tries < 50 && isOpen(target); tries++) await sleep(20)
  expect(isOpen(target)).toBe(false)
  expect(isAlive(target.pid)).toBe(true)
}

/** A capture of so many seconds, begun. */
export function record({ pid }: NodeTarget, seconds: string): Running {
  const folder = temporaryFolder()
  return startCommand([
    ...['record', `${pid}`, '-d', seconds, '-F', '999', '--json'],
    `--to=file:${folder}`,
  ])
}

export async function untilOpen(target: NodeTarget): Promise<void> {
  for (let tries = 0; tries < 500 && !isOpen(target); tries++) await sleep(20)
  expect(isOpen(target)).toBe(true)
}
