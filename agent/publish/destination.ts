// What `--to` says: a folder, or a bucket and a prefix in it. The settings have checked its form.

export type Destination = Folder | Bucket

export interface Folder {
  readonly kind: 'file'
  readonly directory: string
}

export interface Bucket {
  readonly kind: 's3' | 'gs'
  readonly bucket: string
  /** Empty, or names that end in `/`: what stands before the name of every object. */
  readonly prefix: string
}

export function readDestination(to: string): Destination {
  if (to.startsWith('file:')) return { kind: 'file', directory: to.slice('file:'.length) }
  const [scheme, rest] = to.split('://') as [Bucket['kind'], string]
  const [bucket, ...names] = rest.split('/').filter(name => name !== '') as [string, ...string[]]
  return { kind: scheme, bucket, prefix: names.map(name => `${name}/`).join('') }
}

/** The URL of a place in the destination: `s3://bucket/prefix/incidents/INC-1/…` */
export function placeIn(to: string, place: string): string {
  return `${to.replace(/\/+$/, '')}/${place}`
}
