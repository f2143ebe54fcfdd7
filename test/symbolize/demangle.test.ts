import fs from 'node:fs'
import { describe, expect, test } from 'vitest'
import { demangle } from '../../agent/symbolize/demangle.ts'

const fixtures = new URL('../fixtures/demangle/', import.meta.url)

describe.for([
  ['gcc-12/names.txt', 290],
  ['rustc-1.95/v0.txt', 90],
  ['rustc-1.95/legacy.txt', 90],
] as const)('%s', ([golden, least]) => {
  const pairs = fs
    .readFileSync(new URL(golden, fixtures), 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => line.split('\t'))

  test('every name is said as its source says it', () => {
    expect(pairs.length).toBeGreaterThan(least)
    for (const [mangled, name] of pairs) expect(demangle(mangled!), mangled!).toBe(name)
  })

  test('none stays mangled', () => {
    expect(pairs.filter(([mangled, name]) => mangled === name)).toEqual([])
  })
})

// What GCC 12 does not make: other compilers, old and new ones, and optimizers. By hand.
test.for([
  ['_Z3foov.cold', 'foo() [clone .cold]'],
  ['_Z3foov.isra.0.cold', 'foo() [clone .isra.0] [clone .cold]'],
  ['_Z3foov.part.0.constprop.3', 'foo() [clone .part.0] [clone .constprop.3]'],
  ['_Z3foov.llvm.1234567890', 'foo() [clone .llvm.1234567890]'],
  ['_ZL5table.llvm.42', 'table [clone .llvm.42]'],
  ['__Z3foov', 'foo()'],
  [
    '_ZNSsC1ERKSs',
    'std::basic_string<char, std::char_traits<char>, std::allocator<char> >::basic_string(std::string const&)',
  ],
  [
    '_ZStlsISt11char_traitsIcEERSt13basic_ostreamIcT_ES5_PKc',
    'std::basic_ostream<char, std::char_traits<char> >& std::operator<< <std::char_traits<char> >(std::basic_ostream<char, std::char_traits<char> >&, char const*)',
  ],
  ['_ZNSt6vectorIiSaIiEE9push_backEOi', 'std::vector<int, std::allocator<int> >::push_back(int&&)'],
  ['_Z1fIJEEvDpT_', 'void f<>()'],
  ['_Z1fIiJEcEvT_DpT0_', 'void f<int, char>(int)'],
  ['_Z1fIIicEEvDpT_', 'void f<int, char>(int, char)'],
  ['_Z1fIiTnPFivEXadL_Z1gvEEEvv', 'void f<int, &(g())>()'],
  ['_ZZ1fvENKUlTyT_E_clIiEEDaS_', 'auto f()::{lambda(auto:1)#1}::operator()<int>(int) const'],
  ['_ZZ1fvENK3$_0clEv', 'f()::$_0::operator()() const'],
  ['_ZN3FoocvT_IiEEv', 'Foo::operator int<int>()'],
  ['_ZN3FoocvPFvvEEv', 'Foo::operator void (*)()()'],
  [
    '_Z1fIiEDTclsr3stdE5beginclsr3stdE7declvalIRT_EEEES1_',
    'decltype (std::begin((std::declval<int&>)())) f<int>(int&)',
  ],
  ['_Z1fIiEDTsrNT_1BE1xES0_', 'decltype (int::B::x) f<int>(int)'],
  ['_Z1fDU8_DB16_', 'f(unsigned _BitInt(8), _BitInt(16))'],
  ['_Z1fDF16_DF32xDF16b', 'f(_Float16, _Float32x, std::bfloat16_t)'],
  ['_Z1fPU3AS1iU8__vectorf', 'f(int AS1*, float __vector)'],
  ['_Z1fu10__SVE_type', 'f(__SVE_type)'],
  ['_ZW3fooWP3bar1fv', 'f@foo:bar()'],
  ['_ZTAXtl1ALi1EEE', 'template parameter object for A{1}'],
  ['_ZGRN1A1bE1_', 'reference temporary #2 for A::b'],
  ['_ZTHN1A1bE', 'TLS init function for A::b'],
  ['_ZTC1A0_1B', 'construction vtable for B-in-A'],
  ['_ZTch0_h4_N1A1fEv', 'covariant return thunk to A::f()'],
  ['_ZGTtN1A1fEv', 'transaction clone for A::f()'],
  ['_ZN1A1fEM1BKDoFivRE', 'A::f(int (B::*)() const & noexcept)'],
  ['_Z1fILf3f800000ELDnEEvv', 'void f<(float)[3f800000], decltype(nullptr)>()'],
  ['_ZN12_GLOBAL__N_11fEv', '(anonymous namespace)::f()'],
  ['_Z7größev', 'größe()'],
  ['_ZN4core3fmt5write17h0123456789abcdefE.llvm.99', 'core::fmt::write'],
  [
    '_ZN50_$LT$T$u20$as$u20$core..convert..Into$LT$U$GT$$GT$4into17h0123456789abcdefE',
    '<T as core::convert::Into<U>>::into',
  ],
  ['_ZN9_$NOPE$xx17h0123456789abcdefE', '_$NOPE$xx::h0123456789abcdef'],
  ['_RNvC1au9bcher_kva', 'a::bücher'],
  ['_RNvC1a1f.cold.1', 'a::f'],
  ['_RINvC1a1fKo123456789abcdef01234567_E', 'a::f::<0x123456789abcdef01234567>'],
  ['_RNSNvC1a1f4shim', 'a::f::{shim:shim#0}'],
] as const)('%s', ([mangled, name]) => {
  expect(demangle(mangled)).toBe(name)
})

test.for([
  '',
  'main',
  'malloc@plt',
  '_Z',
  '_R',
  '_ZN',
  '_ZNE',
  '_Z3fo',
  '_Z999999999999999999f',
  '_Z3foovE',
  '_Z3foov garbage',
  '_ZGVbN2v_sin',
  '_ZN3FooIiEcvT_Ev',
  '_Z1fT_',
  '_Z1fS_',
  '_Z1fS3_',
  '_ZN4core3fmt5write17h0123456789abcdeE',
  '_RNvC1au5ls_7pa',
  '_RINvC1a1fB3_E',
  '_RB_',
  '__proto__',
  'constructor',
])('%j stays as it is', name => {
  expect(demangle(name)).toBe(name)
})

describe('a monstrous name stays as it is, or is cut off nowhere', () => {
  const digit = (index: number) =>
    index === 0 ? 'S_' : `S${(index - 1).toString(36).toUpperCase()}_`
  const doubled = Array.from({ length: 60 }, (_, at) => `S_I${digit(at + 1)}${digit(at + 1)}E`)
  const backs = Array.from({ length: 60 }, () => 'TB9_B9_E')
  test.for([
    ['substitutions that double sixty times', `_Z1f1AIiiE${doubled.join('')}`],
    ['back references that double sixty times', `_RINvC1a1fT${backs.join('')}EE`],
    ['deep pointers', `_Z1f${'P'.repeat(20_000)}v`],
    ['deep nesting', `_Z1f${'N'.repeat(20_000)}`],
    ['deep templates', `_Z1f${'1AI'.repeat(5000)}`],
    ['deep local names', `_Z${'Z1f'.repeat(5000)}`],
    ['deep expressions', `_Z1fIX${'ng'.repeat(10_000)}`],
    ['deep initializers', `_Z1fIXil${'di1a'.repeat(8000)}`],
    ['deep scopes', `_Z1fIX${'sri'.repeat(10_000)}`],
    ['global upon global', `_Z1fIXdt1a${'gs'.repeat(15_000)}`],
    ['a scope that is none', '_Z1fIXdt1asxEEvv'],
    ['templates of templates', `_Z1fI${'Tt'.repeat(15_000)}`],
    ['modules upon modules', `_Z${'W1a'.repeat(10_000)}1fv`],
    ['conversions tried twice each', `_ZN1A${'cvT_IiE'.repeat(300)}`],
    ['deep Rust paths', '_RNv'.repeat(5000)],
    ['deep Rust tuples', `_RINvC1a1f${'T'.repeat(20_000)}`],
    ['a reference to itself', '_RINvC1a1fB7_E'],
    ['packs within packs', `_Z1fIJ${'i'.repeat(300)}EJ${'c'.repeat(300)}EEvDpPFvDpPFvDpT_EE`],
    ['many hashes', `_ZN${`17h${'0'.repeat(16)}E.`.repeat(1500)}!`],
    ['longer than any', `_Z40000${'f'.repeat(40_000)}v`],
  ] as const)('%s', ([, name]) => {
    expect(demangle(name).length).toBeLessThanOrEqual(Math.max(name.length, 64 * 1024 + 64))
  })

  test('the doubling ones are given up', () => {
    const bomb = `_Z1f1AIiiE${doubled.join('')}`
    expect(demangle(bomb)).toBe(bomb)
  })
})

test('a damaged name never throws, and what it says is bounded and always the same', () => {
  const names = ['gcc-12/names.txt', 'rustc-1.95/v0.txt', 'rustc-1.95/legacy.txt'].flatMap(golden =>
    fs
      .readFileSync(new URL(golden, fixtures), 'utf8')
      .trimEnd()
      .split('\n')
      .map(line => line.split('\t')[0]!),
  )
  const letters = 'abcdefhijlmnopstuvxyzCDEFGIJKLMNOPRSTUXYZ0123456789_.$ü'
  let state = 20_261_123
  // A linear congruential generator; its high bits are the good ones.
  const next = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return (state >>> 8) % below
  }
  let said = 0
  for (let round = 0; round < 80_000; round++) {
    let name = names[next(names.length)]!
    for (let count = 1 + next(4); count > 0; count--) {
      const at = 2 + next(name.length)
      const other = names[next(names.length)]!
      const piece = [
        letters[next(letters.length)]!,
        '',
        other.slice(2 + next(other.length)),
        name.slice(at, at + next(9)).repeat(next(5)),
      ]
      name = name.slice(0, at) + piece[next(4)] + name.slice(at + next(3))
    }
    const readable = demangle(name)
    if (readable !== name) said++
    expect(readable.length).toBeLessThanOrEqual(Math.max(name.length, 64 * 1024 + 64))
    if (round % 64 === 0) expect(demangle(name)).toBe(readable)
  }
  expect(said).toBeGreaterThan(5000)
})
