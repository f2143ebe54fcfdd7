// Terms as a real node writes them (`term_to_binary` of OTP 25), and as a hostile one may.

import { expect, test } from 'vitest'
import {
  Atom,
  decodeTerm,
  encodeTerm,
  externalFun,
  Opaque,
  pidOf,
  type Term,
  Tuple,
} from '../../agent/capture/erlang-terms.ts'
import { ProfilerError } from '../../agent/errors.ts'
import { damaged, random } from '../random.ts'

// [{status,running}, {shop,total,2,[{file,"src/shop.erl"},{line,12}]}, 300, -5, 12345678901234, 1.5,
//  <<"bin">>, <<1:3>>, [a|b], #{k=>v}, self(), make_ref(), fun lists:map/2, fun(X)->X end, "",
//  [1000,2000], [], 'ä', a port]
const real = Buffer.from(
  `836C00000013680264000673746174757364000772756E6E696E67680464000473686F70640005746F74616C61026C0000000268
  0264000466696C656B000C7372632F73686F702E65726C68026400046C696E65610C6A620000012C62FFFFFFFB6E0600F22FCE733A
  0B463FF80000000000006D0000000362696E4D0000000103206C00000001640001616400016274000000016400016B640001765864
  000D6E6F6E6F6465406E6F686F73740000000900000000000000005A000364000D6E6F6E6F6465406E6F686F737400000000000139
  DC15280002DE2E955D716400056C697374736400036D6170610270000000A001065361AA461590D1BDF1EB62D1A6EB080000002A00
  00000164000865726C5F6576616C612A6200329B0D5864000D6E6F6E6F6465406E6F686F7374000000090000000000000000680661
  016A6400046E6F6E656400046E6F6E6574000000006C000000016805640006636C6175736561016C00000001680364000376617261
  01640001586A6A6C0000000168036400037661726101640001586A6A6A6C0000000262000003E862000007D06A6A640001E4596400
  0D6E6F6E6F6465406E6F686F737400000005000000006A`.replace(/\s/g, ''),
  'hex',
)

test('what a node writes is read, to its last byte', () => {
  const { term, end } = decodeTerm(real)
  expect(end).toBe(real.length)
  const items = term as readonly Term[]
  expect(items.slice(0, 7)).toEqual([
    new Tuple(new Atom('status'), new Atom('running')),
    new Tuple(new Atom('shop'), new Atom('total'), 2, [
      new Tuple(new Atom('file'), [...Buffer.from('src/shop.erl')]),
      new Tuple(new Atom('line'), 12),
    ]),
    300,
    -5,
    12345678901234n,
    1.5,
    Buffer.from('bin'),
  ])
  expect(items[8]).toEqual([new Atom('a')])
  for (const at of [9, 10, 11, 12, 13, 18]) expect(items[at]).toBeInstanceOf(Opaque)
  expect(items.slice(14, 18)).toEqual([[], [1000, 2000], [], new Atom('ä')])
})

test('what we write is read as what it was', () => {
  const terms: Term = [
    new Tuple(new Atom('call'), new Atom('ü'), 255, 256, -1, 2 ** 31 - 1),
    [],
    [[1], [new Atom('')]],
    Buffer.from('bytes'),
    pidOf('a@b', 1, 2 ** 32 - 1),
  ]
  expect(decodeTerm(encodeTerm(terms)).term).toEqual(terms)
})

test('a fun that names a function is written as a node writes it', () => {
  const fun = encodeTerm(externalFun('lists:map/2'))
  // Its atoms are UTF-8 here and latin1 there, which is told by their tags.
  const written = fun.toString('latin1').replaceAll(/w(?=[\x03\x05])/g, 's')
  const old = real.toString('latin1').replaceAll(/d\0(?=[\x03\x05])/g, 's')
  expect(old).toContain(written.slice(1))
})

test.for([
  ['nothing', Buffer.alloc(0)],
  ['no version', Buffer.of(97, 1)],
  ['an unknown tag', Buffer.of(131, 255)],
  ['a list that claims four thousand million items', Buffer.of(131, 108, 255, 255, 255, 255)],
  ['a binary that claims more than there is', Buffer.of(131, 109, 0, 1, 0, 0, 1)],
  ['a map of more pairs than there are bytes', Buffer.of(131, 116, 255, 255, 255, 255, 97)],
  ['tuples in tuples without an end', Buffer.concat([Buffer.of(131), Buffer.alloc(1e6, 'h\x01')])],
] as const)('%s is refused', ([, bytes]) => {
  expect(() => decodeTerm(bytes)).toThrow(ProfilerError)
})

test('damaged, it is an error with a code or another term', () => {
  const numbers = random(7)
  for (let round = 0; round < 3000; round++) {
    try {
      decodeTerm(damaged(real, numbers))
    } catch (error) {
      expect(error).toBeInstanceOf(ProfilerError)
    }
  }
})
