import { describe, expect, test } from 'vitest'
import { ProfilerError } from '../../agent/errors.ts'
import { personalClasses } from '../../agent/redact/classes.ts'
import { random } from '../random.ts'
import { hostileNames, stacks } from '../stacks.ts'
import { page, pass, picture, svg } from './artefacts.ts'
import { inPlace, makeValue } from './corpus.ts'

function refusalOf(text: string | Uint8Array): ProfilerError {
  try {
    pass(text, 'svg')
  } catch (error) {
    if (error instanceof ProfilerError && error.code === 'SP_REDACTION_REFUSED') return error
    throw error
  }
  throw new Error('the gate lets it pass')
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

/** The picture with one of its pieces changed; fails when there is no such piece. */
function changed(piece: string | RegExp, by: string): string {
  const text = svg.replace(piece, () => by)
  expect(text).not.toBe(svg)
  return text
}

/** The picture with another name for a frame, in its title and on its label. */
function renamed(name: string): string {
  const main = /<title>main( \[[^<]*<\/title><rect[^>]*><text[^>]*>)main</
  return changed(main, `<title>${name}${main.exec(svg)![1]}${name}<`)
}

const graph = /<g transform="translate\(0,\d+\)"><g><title>all/

describe('our own pictures pass', () => {
  test('whatever the names are', () => {
    for (const name of hostileNames) {
      const safe = name.replaceAll(';', ':')
      pass(picture(stacks(`main;${safe} 5`), { ...page, title: name, subtitle: [name] }), 'svg')
    }
  })

  test('whatever the weights are: not one of a million is taken for a number of somebody', () => {
    const generator = random(2)
    for (let round = 0; round < 40; round++) {
      const lines = Array.from({ length: 300 }, (_, index) => {
        return `main;f${index} ${1 + generator.integer(1e9)} ${1 + generator.integer(2 ** 31) * generator.integer(1e6)}`
      })
      const text = picture(stacks(lines.join('\n')), { ...page, column: round % 2 })
      pass(text, 'svg')
    }
  })

  test('with labels that are cut in the middle of a digest', () => {
    const names = Array.from(
      { length: 60 },
      (_, index) => `main;v${index}::h9876543210abcdef+0x7f9876543210 5`,
    )
    pass(picture(stacks(names.join('\n'))), 'svg')
  })
})

// Where a value can be put: the picture with it, not yet escaped where that is part of the trick.
const places: readonly (readonly [string, (value: string) => string])[] = [
  ['the title of a frame', value => renamed(escaped(value))],
  ['the title of the picture', value => changed(/<title>[^<]*/, `<title>${escaped(value)}`)],
  ['the description', value => changed(/<desc>[^<]*/, `<desc>${escaped(value)}`)],
  ['a line of text', value => changed('<defs>', `<text>${escaped(value)}</text><defs>`)],
  ['a tspan', value => changed(/<tspan[^>]*>[^<]*/, `<tspan>${escaped(value)}`)],
  [
    'a value over two tspans',
    value =>
      changed(
        /<tspan[^>]*>[^<]*<\/tspan>/,
        `<tspan>${escaped(value.slice(0, -2))}</tspan><tspan>${escaped(value.slice(-2))}</tspan>`,
      ),
  ],
  [
    'a value over two texts',
    value =>
      changed(
        graph,
        `<g><text>${escaped(value.slice(0, -2))}</text><text>${escaped(value.slice(-2))}</text></g>$&`.replace(
          '$&',
          graph.exec(svg)![0],
        ),
      ),
  ],
  ['a label', value => changed('>all</text>', `>${escaped(value)}</text>`)],
  ['a comment', value => changed('<defs>', `<!-- ${value} --><defs>`)],
  ['a processing instruction', value => changed('<defs>', `<?note ${value}?><defs>`)],
  ['a document type', value => `<!DOCTYPE svg [<!ENTITY e "${value}">]>${svg}`],
  ['CDATA', value => changed(/<desc>[^<]*/, `<desc><![CDATA[${value}]]>`)],
  ['the style', value => changed('<style>', `<style>.x{content:"${value}"}`)],
  ['a comment of the style', value => changed('<style>', `<style>/* ${value} */`)],
  ['the script', value => changed('<script><![CDATA[', `<script><![CDATA[/* ${value} */`)],
  ['a second script', value => changed('<script>', `<script>/* ${value} */</script><script>`)],
  [
    'an attribute that is text',
    value => changed('<svg class="graph"', `<svg class="graph" aria-label="${escaped(value)}"`),
  ],
  ['a class', value => changed('class="page"', `class="${escaped(value)}"`)],
  ['an id', value => changed('id="unknown"', `id="${escaped(value)}"`)],
  ['a number', value => changed('height="17"', `height="${escaped(value)}"`)],
  ['a colour', value => changed('fill="#fff"', `fill="${escaped(value)}"`)],
  ['a path', value => changed(/d="M0/, `d="${escaped(value)}M0`)],
  [
    'an attribute of data',
    value => changed('<svg class="graph"', `<svg class="graph" data-user="${escaped(value)}"`),
  ],
  [
    'a handler',
    value => changed('<svg class="graph"', `<svg class="graph" onclick="s('${escaped(value)}')"`),
  ],
  [
    'a style attribute',
    value => changed('<svg class="graph"', `<svg class="graph" style="--x:'${escaped(value)}'"`),
  ],
  ['a link', value => changed(graph, `<a href="#${escaped(value)}"></a>${graph.exec(svg)![0]}`)],
  [
    'an image',
    value =>
      changed(graph, `<image href="data:text/plain,${escaped(value)}"/>${graph.exec(svg)![0]}`),
  ],
  [
    'foreign content',
    value =>
      changed(graph, `<foreignObject>${escaped(value)}</foreignObject>${graph.exec(svg)![0]}`),
  ],
  ['metadata', value => changed('<defs>', `<metadata>${escaped(value)}</metadata><defs>`)],
  ['text between elements', value => changed('<defs>', `${escaped(value)}<defs>`)],
  ['text before the picture', value => `${value}${svg}`],
  ['text after the picture', value => `${svg}${value}`],
  ['a comment after the picture', value => `${svg}<!-- ${value} -->`],
  [
    'decimal entities',
    value =>
      changed(/<desc>[^<]*/, `<desc>${[...value].map(one => `&#${one.charCodeAt(0)};`).join('')}`),
  ],
  [
    'hex entities',
    value => renamed([...value].map(one => `&#x${one.charCodeAt(0).toString(16)};`).join('')),
  ],
]

describe('a value is refused', () => {
  for (const [place, plant] of places) {
    test(`in ${place}`, () => {
      const generator = random(8)
      for (const [index, name] of personalClasses.entries()) {
        // Half a user name is a user name: a place that cuts the value needs the path around it as well.
        const value = inPlace(name, makeValue(name, generator), index)
        const error = refusalOf(plant(value))
        expect(error.facts).toMatchObject({
          place: expect.stringMatching(/^line \d+, /),
          count: expect.any(Number),
        })
        expect(`${error.message}${JSON.stringify(error.facts)}`).not.toContain(value)
      }
    })
  }
})

test('a place that may hold text lets any other text through', () => {
  const textual = [
    'title of',
    'description',
    'line of text',
    'a tspan',
    'two tspans',
    'two texts',
    'that is text',
    'a class',
    'an id',
    'entities',
  ]
  for (const [place, plant] of places) {
    if (!textual.some(word => place.includes(word))) continue
    expect(() => pass(plant('Handler of 12'), 'svg'), place).not.toThrow()
  }
})

describe('what no picture of ours has is refused', () => {
  test.for([
    ['an entity of HTML', changed(/<desc>[^<]*/, '<desc>&commat;')],
    ['an entity without its end', changed(/<desc>[^<]*/, '<desc>&amp')],
    ['an entity of a control character', changed(/<desc>[^<]*/, '<desc>&#8;')],
    ['a control character', changed(/<desc>[^<]*/, '<desc>\u0008')],
    ['a C1 control character', changed(/<desc>[^<]*/, '<desc>\u0085')],
    ['an attribute twice', changed('class="page"', 'class="page" class="page"')],
    ['an attribute without quotes', changed('class="page"', 'class=page')],
    ['a tag that is not closed', svg.replace('</defs>', '')],
    ['a tag that is closed twice', svg.replace('</defs>', '</defs></defs>')],
    ['another root', '<html></html>'],
    ['an element where it may not be', changed('<defs>', '<defs><text>x</text>')],
    ['SMIL', changed('<defs>', '<animate/><defs>')],
    ['use', changed('<defs>', '<use/><defs>')],
    ['an import', changed('<style>', '<style>@import "x";')],
    ['a url', changed('<style>', '<style>.x{fill:url(http://x)}')],
    ['an escape of CSS', changed('<style>', '<style>.x{content:"\\39"}')],
    ['a script of somebody', changed('<script><![CDATA[', '<script><![CDATA[;')],
    [
      'a script without its CDATA',
      changed('<script><![CDATA[', '<script>').replace(']]></script>', '</script>'),
    ],
    ['a title of another weight', changed(/\([\d,]+ samples, /, '(9876543210 somethings, ')],
    ['a label of another frame', changed('>all</text>', '>none</text>')],
    ['an end in the middle', svg.slice(0, svg.length / 2)],
    ['nothing but depth', '<svg>'.repeat(100_000)],
  ])('%s', ([, text]) => {
    refusalOf(text!)
  })

  test('anything at the policy’s word alone: a picture without its script passes', () => {
    pass(svg.replace(/<script>[\s\S]*<\/script>\n/, ''), 'svg')
  })
})

test('the weight of a title is not looked at, the name before it is', () => {
  pass(
    changed(
      /<title>main \[[a-z]+\] \([^)]*\)/,
      '<title>main [native] (9,876,543,210 samples, 12.34 %)',
    ),
    'svg',
  )
  refusalOf(changed('<title>main ', '<title>main (9876543210 samples, 1.00 %) '))
})
