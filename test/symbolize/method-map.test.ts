import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { nettraceReader } from '../../agent/profile/nettrace.ts'
import { methodName } from '../../agent/profile/nettrace-methods.ts'
import { type Module, ProfileBuilder } from '../../agent/profile/profile.ts'
import { mayHoldMethods, methodMap, methodMapSymbols } from '../../agent/symbolize/method-map.ts'
import { fixture } from '../goldens.ts'

const reader = nettraceReader(new ProfileBuilder())
reader.push(gunzipSync(fixture('nettrace/8.0/rundown.nettrace.gz')))
reader.end()
const map = methodMap(reader.methods, module => reader.modulePath(module))
const methods = [...reader.methods]
const parse = methods.find(method => methodName(method) === 'Shop.Program.Parse()')!

const anonymous: Module = {
  kind: 'anonymous',
  path: '[anon]',
  pid: 1,
  start: parse.start - 0x1000,
  end: parse.start + 0x1000,
  fileOffset: 0,
}

describe('the methods of a rundown', () => {
  test('are hundreds, in order, and none has no name', () => {
    expect(methods.length).toBeGreaterThan(200)
    for (const [index, method] of methods.entries()) {
      expect(methodName(method)).not.toBe('')
      if (index > 0) expect(method.start).toBeGreaterThan(methods[index - 1]!.start)
    }
  })

  test('are found from their first byte to their last', () => {
    for (const method of methods) {
      expect(reader.methods.find(method.start)).toBe(method)
      expect(reader.methods.find(method.start + method.size - 1)).toBe(method)
    }
    expect(reader.methods.find(methods[0]!.start - 1)).toBe(undefined)
    expect(reader.methods.find(methods.at(-1)!.start + methods.at(-1)!.size)).toBe(undefined)
  })
})

describe('as the names of a mapping', () => {
  const named = [{ name: 'Shop.Program.Parse()', kind: 'jit', module: '/srv/shop/shares.dll' }]

  test('addresses in anonymous memory are AVMAs', () => {
    const symbols = methodMapSymbols(map, anonymous)
    expect(symbols.find(parse.start)).toEqual(named)
    expect(symbols.find(1)).toBe('not in the symbol table')
  })

  test('addresses in a file are offsets', () => {
    const mapped: Module = {
      ...anonymous,
      kind: 'file',
      path: '/memfd:doublemapper (deleted)',
      fileOffset: 0x5000,
    }
    const symbols = methodMapSymbols(map, mapped)
    expect(symbols.find(0x6000)).toEqual(named)
    expect(symbols.find(0x6000 + parse.size - 1)).toEqual(named)
  })

  test('one method has one answer, so that its addresses fall together', () => {
    expect(map.find(parse.start)).toBe(map.find(parse.start + 1))
  })
})

test.for([
  ['[anon]', 'anonymous', true],
  ['/memfd:doublemapper (deleted)', 'file', true],
  ['/opt/dotnet/System.Private.CoreLib.dll', 'file', true],
  ['/srv/shop/Shop.EXE', 'file', true],
  ['/usr/lib/libc.so.6', 'file', false],
  ['[kernel]', 'kernel', false],
] as const)('%s, %s: methods may lie there: %s', ([path, kind, may]) => {
  expect(mayHoldMethods({ ...anonymous, path, kind })).toBe(may)
})
