// What of a capture has arrived in the bucket.

import { objectsIn } from '../stores.ts'

export interface Published {
  readonly id: string
  readonly picture: string
  readonly manifest: {
    readonly durationMs: number
    readonly quality: { readonly samples: number }
  }
}

/** Of the incident's newest; undefined before its manifest is there, which is sent last. */
export function publishedIn(bucket: string, incident: string): Published | undefined {
  const objects = objectsIn(bucket)
  const end = '/manifest.json'
  const name = [...objects.keys()].findLast(
    each => each.includes(`/${incident}/`) && each.endsWith(end),
  )
  if (name === undefined) return undefined
  const folder = name.slice(0, -end.length)
  return {
    id: folder.slice(folder.lastIndexOf('/') + 1),
    picture: `${objects.get(`${folder}/flame.svg`)}`,
    manifest: JSON.parse(`${objects.get(name)}`),
  }
}
