// The words of SVG that our pictures use, and what each may hold. What is not here is refused.

/** Each element, and in which it may lie. */
export const elements: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries({
    svg: ['', 'svg', 'g'],
    g: ['svg', 'g'],
    rect: ['svg', 'g', 'pattern', 'clipPath'],
    path: ['svg', 'g', 'pattern'],
    line: ['svg', 'g', 'pattern'],
    text: ['svg', 'g'],
    tspan: ['text', 'tspan'],
    title: ['svg', 'g', 'text'],
    desc: ['svg', 'g'],
    defs: ['svg', 'g'],
    pattern: ['svg', 'defs'],
    clipPath: ['svg', 'defs'],
    linearGradient: ['svg', 'defs'],
    stop: ['linearGradient'],
    style: ['svg', 'defs'],
    script: ['svg'],
  }).map(([name, outer]) => [name, new Set(outer)]),
)

/** Whether the attribute holds what its grammar allows, and so no text. */
export function isKnownAttribute(name: string, value: string): boolean {
  return grammars.get(name)?.test(value) ?? false
}

/** Whether the attribute may hold text, which is then looked at. */
export function isTextAttribute(element: string, name: string): boolean {
  return textAttributes.has(name) && element !== 'script'
}

const textAttributes = new Set([
  'id',
  'class',
  'title',
  'aria-label',
  'aria-description',
  'aria-roledescription',
  'aria-labelledby',
  'aria-describedby',
  'font-family',
  'lang',
])

// Sizes are of a screen: seven digits are a personal number's at most in part, nine after the point.
const one = String.raw`-?(?:\d{1,7}(?:\.\d{1,9})?|\.\d{1,9})`
const number = new RegExp(`^${one}(?:px|em|ex|pt|%)?$`)
const numbers = new RegExp(`^${one}(?:[ ,]{1,2}${one}){0,15}$`)
const path = new RegExp(`^(?:[MLHVZmlhvz] ?(?:${one}(?:[ ,]${one}){0,15})? ?){1,64}$`)
const transform = new RegExp(
  `^(?:translate|scale|rotate|matrix)\\(${one}(?:[ ,]{1,2}${one}){0,5}\\)$`,
)
const color =
  /^(?:#[0-9a-fA-F]{3,8}|none|inherit|transparent|currentColor|[a-z]{3,12}|url\(#[a-z-]{1,40}\)|rgba?\(\d{1,3}(?:, ?\d{1,3}){2}(?:, ?0?\.\d{1,3})?\))$/

const grammars: ReadonlyMap<string, RegExp> = new Map([
  ...'x,y,width,height,rx,ry,x1,x2,y1,y2,dx,dy,r,cx,cy,font-size,opacity,fill-opacity,stroke-opacity,stroke-width,offset,stop-opacity,tabindex,textLength,aria-level,aria-setsize,aria-posinset'
    .split(',')
    .map((name): [string, RegExp] => [name, number]),
  ...'fill,stroke,color,stop-color'.split(',').map((name): [string, RegExp] => [name, color]),
  ['viewBox', numbers],
  ['stroke-dasharray', numbers],
  ['d', path],
  ['transform', transform],
  ['patternTransform', transform],
  ['clip-path', /^url\(#[a-z-]{1,40}\)$/],
  ['xmlns', /^http:\/\/www\.w3\.org\/2000\/svg$/],
  ['version', /^1\.[012]$/],
  ['type', /^(?:text|application)\/(?:javascript|ecmascript|css)$/],
  ['xml:space', /^(?:preserve|default)$/],
  ['preserveAspectRatio', /^(?:none|x(?:Min|Mid|Max)Y(?:Min|Mid|Max)(?: (?:meet|slice))?)$/],
  ['class', /^[a-z][a-z -]{0,60}$/],
  ['id', /^[a-z][a-z-]{0,40}$/],
  [
    'role',
    /^(?:tree|treeitem|group|img|presentation|none|figure|document|graphics-document|graphics-symbol|graphics-object|application|status|list|listitem|table|row|cell|columnheader)$/,
  ],
  ...'text-anchor,dominant-baseline,font-weight,font-style,pointer-events,patternUnits,patternContentUnits,gradientUnits,clipPathUnits,shape-rendering,text-rendering,visibility,display,overflow,focusable,aria-hidden,aria-expanded,aria-multiselectable,lengthAdjust'
    .split(',')
    .map((name): [string, RegExp] => [name, /^[a-zA-Z-]{2,24}$|^[1-9]00$/]),
])
