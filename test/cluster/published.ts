// What of a capture has arrived in the bucket.

import fs from 'node:fs'
import path from 'node:path'
import { objectsIn } from '../stores.ts'

export interface Published {
  readonly id: string
  readonly picture: string
  /** When the last byte had arrived. */
  readonly atMs: number
  readonly manifest: {
    readonly durationMs: number
    readonly quality: { readonly samples: number }
  }
}

/**
 * Undefined before its manifest is there, which is sent last.
 *
 * @param what of its name: the incident, or the capture's id
 */
export function publishedIn(bucket: string, what: string): Published | undefined {
  const objects = objectsIn(bucket)
  const end = '/manifest.json'
  const name = [...objects.keys()].findLast(
    each => each.includes(`/${what}/`) && each.endsWith(end),
  )
  if (name === undefined) return undefined
  const folder = name.slice(0, -end.length)
  return {
    id: folder.slice(folder.lastIndexOf('/') + 1),
    atMs: fs.statSync(path.join(bucket, name)).mtimeMs,
    picture: `${objects.get(`${folder}/flame.svg`)}`,
    manifest: JSON.parse(`${objects.get(name)}`),
  }
}
