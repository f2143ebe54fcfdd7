import { expect, test } from 'vitest'
import { escapeXml } from '../../agent/render/escape.ts'

test.for([
  ['std::vector<int>', 'std::vector&lt;int&gt;'],
  [`a & "b" 'c'`, 'a &amp; &quot;b&quot; &#39;c&#39;'],
  [']]>', ']]&gt;'],
  ['函数 🔥', '函数 🔥'],
] as const)('%s becomes %s', ([text, escaped]) => {
  expect(escapeXml(text)).toBe(escaped)
})

test('what XML forbids becomes a visible mark', () => {
  expect(escapeXml('a\0b\x1bc\ufffed\uffff')).toBe('a\ufffdb\ufffdc\ufffdd\ufffd')
  expect(escapeXml('\ud800x\udfff🔥')).toBe('\ufffdx\ufffd🔥')
})

test('what turns the direction of text is spelt out', () => {
  expect(escapeXml('fdp.\u202egpj.exe')).toBe('fdp.[U+202E]gpj.exe')
  expect(escapeXml('a\u2066b\u200f')).toBe('a[U+2066]b[U+200F]')
})

test('a line break is a space', () => {
  expect(escapeXml('a\r\n\tb\u2028c')).toBe('a b c')
})

test('no code unit passes that XML forbids', () => {
  const all = Array.from({ length: 0x10000 }, (_, code) => String.fromCharCode(code))
  const forbidden = /[\0-\x1f\x7f-\x9f\ufffe\uffff]|[\ud800-\udfff]/
  expect(all.filter(character => forbidden.test(escapeXml(character)))).toEqual([])
})
