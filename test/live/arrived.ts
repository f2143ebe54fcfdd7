// What has arrived in a bucket, and whether it is whole.

import path from 'node:path'
import { expect } from 'vitest'
import { objectsIn } from '../stores.ts'

/** Of every capture in the bucket: its files, in the order in which they arrived. */
export function capturesIn(bucket: string): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const key of objectsIn(bucket).keys()) {
    const [capture, name] = [path.dirname(key), path.basename(key)]
    found.set(capture, [...(found.get(capture) ?? []), name])
  }
  return found
}

/** What every capture in the bucket has to be. */
export function expectWholeIn(bucket: string): void {
  const objects = objectsIn(bucket)
  for (const [capture, names] of capturesIn(bucket)) {
    expect(names.at(-1), capture).toBe('manifest.json')
    const manifest = JSON.parse(`${objects.get(`${capture}/manifest.json`)}`)
    const listed = manifest.files.map(({ name }: { name: string }) => name)
    expect([...names].sort()).toEqual([...listed, 'manifest.json'].sort())
    for (const { name, bytes } of manifest.files) {
      expect(objects.get(`${capture}/${name}`)?.length, name).toBe(bytes)
    }
  }
}
