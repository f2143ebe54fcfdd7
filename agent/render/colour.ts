// Colours of frames: the hue says the kind, the shade only tells neighbours apart.
//
// The shade is a hash of the name, so a function has the same colour in every
// picture. Both themes meet WCAG AA (a test holds it): dark ink on light
// shades, light ink on dark ones. Hue is never alone: each frame's title says
// its kind in words, and frames without a name are hatched.
//
// The light shade stands in the file as an attribute, for viewers that block
// style; the dark one replaces it by the style sheet's `[fill="#e96"]`, which
// is why no light shade may be used twice.

import type { FrameKind } from '../profile/profile.ts'

export const ink = { light: '#1c1c1c', dark: '#f2f2f2' } as const

interface Shade {
  readonly light: string
  readonly dark: string
}

/** Six hues far enough apart to be told from each other; `unknown` has a pattern instead. */
const shades: Readonly<Record<Exclude<FrameKind, 'unknown'>, readonly Shade[]>> = {
  kernel: pair('#e96 #ea7 #eb8 #fa7 #fb8 #eb9', '#832 #732 #843 #721 #931 #743'),
  native: pair('#ed6 #ec7 #ed8 #ec6 #fd7 #ed9', '#651 #652 #661 #550 #662 #760'),
  jit: pair('#9d8 #ad8 #bd9 #ae9 #be8 #9d9', '#262 #362 #363 #352 #462 #253'),
  inlined: pair('#8dc #8dd #9ed #7dd #9dd #aed', '#255 #266 #165 #366 #166 #265'),
  interpreted: pair('#9be #8be #abe #ace #9cf #9bf', '#247 #258 #346 #347 #357 #246'),
  thread: pair('#b9e #c9e #bae #cae #dae #c9d', '#427 #436 #437 #526 #536 #637'),
}

/** The root frame, which is no function. */
const rootShade: Shade = { light: '#dde', dark: '#334' }

/** The hatch of frames without a name: see the pattern in svg.ts. */
export const unknownShade = { light: '#ddd', dark: '#444' } as const
const hatchShade: Shade = { light: '#bbb', dark: '#666' }
export const hatchFill = hatchShade.light

export const rootFill = rootShade.light
export const unknownFill = 'url(#unknown)'

export function fillOf(kind: FrameKind, name: string): string {
  if (kind === 'unknown') return unknownFill
  const band = shades[kind]
  return band[hash(name) % band.length]!.light
}

/** One shade that stands for a kind, for the legend. */
export function legendFill(kind: FrameKind): string {
  return kind === 'unknown' ? unknownFill : shades[kind][0]!.light
}

/** Every pair of fills, for the style sheet and for the test of contrast. */
export function allShades(): Shade[] {
  return [...Object.values(shades).flat(), rootShade, unknownShade, hatchShade]
}

function pair(light: string, dark: string): Shade[] {
  const darks = dark.split(' ')
  return light.split(' ').map((shade, index) => ({ light: shade, dark: darks[index]! }))
}

/** FNV-1a over at most 256 code units: more cannot be told apart by six shades. */
function hash(name: string): number {
  let value = 0x811c9dc5
  const length = Math.min(name.length, 256)
  for (let index = 0; index < length; index++) {
    value = Math.imul(value ^ name.charCodeAt(index), 0x01000193)
  }
  // The low bits of FNV are weak; the high half is folded in.
  return (value ^ (value >>> 15)) >>> 0
}
