import { expect, test } from 'vitest'
import { detectPerfScript, readPerfScript } from '../../agent/profile/perf-script.ts'
import type { Frame, Profile } from '../../agent/profile/profile.ts'
import { expectGolden, fixture, fixturesIn } from '../goldens.ts'
import { folded, hostileNames, readWith } from '../stacks.ts'

const read = (text: string | Uint8Array) => readWith(readPerfScript, text)
const foldedOf = async (text: string) => folded(await read(text))
const header = 'shop 12/34 [001] 1.5: 7 cycles:\n'
const sample = (...frames: string[]) =>
  `${header}${frames.map(frame => `\t  4a10 ${frame}\n`).join('')}\n`
const frameNamed = ({ frames }: Profile, name: string): Frame | undefined =>
  frames.find(frame => frame.name === name)

test.for(fixturesIn('perf-script/6.1'))('%s folds as its golden says', async name => {
  const profile = await read(fixture(name))
  expectGolden(`${name}.folded.golden`, folded(profile))
  expect(profile.loss.size).toBe(0)
})

test('a frame is a name, its module and who owns it; the root is the comm', async () => {
  const profile = await read(
    `${header}\tffffffff82a00000 do_syscall_64+0x39 ([kernel.kallsyms])\n\t  4a10 main+0x1c (/srv/shop)\n\n`,
  )
  expect(profile.frames).toEqual([
    { name: 'shop', kind: 'thread' },
    { name: 'do_syscall_64', kind: 'kernel', module: '[kernel.kallsyms]' },
    { name: 'main', kind: 'native', module: '/srv/shop' },
  ])
  expect(folded(profile)).toBe('shop;main;do_syscall_64_[k] 1\n')
})

test('samples and periods are two columns, and the width is the period only when periods differ', async () => {
  const equal = await read(sample('main (/srv/shop)') + sample('main (/srv/shop)'))
  expect(equal.columns.map(({ event, unit }) => [event, unit])).toEqual([
    ['cycles', 'samples'],
    ['cycles', 'count'],
  ])
  const different = await read(
    `${sample('main (/srv/shop)')}shop 34 1.6: 9 cycles:\n\t1 main (x)\n\n`,
  )
  expect(different.columns.map(({ unit, self }) => [unit, self.reduce((a, b) => a + b)])).toEqual([
    ['count', 16],
    ['samples', 2],
  ])
})

test('the clocks of perf count in nanoseconds', async () => {
  const { columns } = await read('a 1 1.5: 10101010 cpu-clock:u:\n\t1 main (x)\n\n')
  expect(columns.map(({ event, unit }) => [event, unit])).toEqual([
    ['cpu-clock:u', 'samples'],
    ['cpu-clock:u', 'nanoseconds'],
  ])
})

// The sixteen faults that other folders of this text have, each by its name.

test('fault 1: the last sample without a blank line behind it is a sample', async () => {
  expect(await foldedOf(`${header}\t1 leaf (x)\n\t2 main (x)\n`)).toBe('shop;main;leaf 1\n')
  expect(await foldedOf(`${header}\t1 leaf (x)\n\t2 main (x)`)).toBe('shop;main;leaf 1\n')
})

test('fault 2: an event and its single frame may stand on one line', async () => {
  const line = 'shop 12 1.5: 7 cycles:  4a10 parse+0x3 (/srv/shop)\n'
  expect(await foldedOf(line + line)).toBe('shop;parse 2\n')
})

test('fault 3: a comm may stand right-aligned', async () => {
  const line = '            shop    12 1.5: 7 cycles:  4a10 parse+0x3 (/srv/shop)\n'
  expect(await foldedOf(line + line)).toBe('shop;parse 2\n')
  expect(await foldedOf(`     shop 12 1.5: 7 cycles:\n\t1 main (x)\n\n`)).toBe('shop;main 1\n')
})

test('fault 4: a comm of one letter is a comm', async () => {
  expect(await foldedOf('v 26271 1288.072796: 1 cycles:\n\t1 main (x)\n\n')).toBe('v;main 1\n')
  expect(await foldedOf('a b 7 26271 1288.07: 1 cycles:\n\t1 main (x)\n\n')).toBe('a_b_7;main 1\n')
})

test.for([
  [
    'std::function<int (int, int)>::operator()(int, int) const',
    'std::function<int (int, int)>::operator()',
  ],
  ['std::function<int (int, int)>::operator()', 'std::function<int (int, int)>::operator()'],
  ['(anonymous namespace)::Hidden::work(unsigned int)', '(anonymous namespace)::Hidden::work'],
  ['main.(*Cart).Total', 'main.(*Cart).Total'],
  ['f(int)::{lambda(int)#1}::operator()(int) const', 'f::{lambda(int)#1}::operator()'],
  ['bool operator< <char>(A const&, B const&)', 'bool operator< <char>'],
  ['operator<<(std::ostream&, A)', 'operator<<'],
  ['<(A, B) as shop::Total>::total', '<(A, B) as shop::Total>::total'],
  ['<fn(A) -> B as core::ops::FnOnce>::call_once', '<fn(A) -> B as core::ops::FnOnce>::call_once'],
  ['decltype (f()) std::__invoke<int>(int&&)', 'decltype (f()) std::__invoke<int>'],
  ['copy(char*, int) [clone .isra.0]', 'copy'],
  ['unbalanced<(int)', 'unbalanced<(int)'],
])('fault 5: %s is cut at the list of arguments and nowhere else', async ([symbol, name]) => {
  const { frames } = await read(sample(`${symbol}+0x1 (/srv/shop)`))
  expect(frames[1]!.name).toBe(name)
})

test('fault 6: an arrow splits inlined methods of compiled code only, and never after operator', async () => {
  expect(await foldedOf(sample('Handle::operator->() (/srv/shop)'))).toBe(
    'shop;Handle::operator-> 1\n',
  )
  expect(await foldedOf(sample('Handle::operator->() (/tmp/perf-9.map)'))).toBe(
    'shop;Handle::operator->_[j] 1\n',
  )
  expect(await foldedOf(sample('a->b->c (/tmp/perf-9.map)'))).toBe('shop;a_[j];b_[i];c_[i] 1\n')
})

test('fault 7: a module may end in parentheses of its own', async () => {
  const profile = await read(
    sample('[unknown] (/memfd:doublemapper (deleted))', 'Run (/memfd:doublemapper (deleted))'),
  )
  expect(profile.frames.slice(1)).toEqual([
    {
      name: '[memfd:doublemapper]',
      kind: 'unknown',
      module: '/memfd:doublemapper',
      reason: 'JIT without map',
    },
    { name: 'Run', kind: 'jit', module: '/memfd:doublemapper' },
  ])
})

test('fault 8: a module may have blanks in its path', async () => {
  const { frames } = await read(sample('f(int) (/srv/my shop/lib (1).so)'))
  expect(frames[1]).toEqual({ name: 'f', kind: 'native', module: '/srv/my shop/lib (1).so' })
})

test.for([
  ['[JIT] tid 22', 'jit'],
  ['[vdso]', 'native'],
  ['[vsyscall]', 'native'],
  ['[stack]', 'native'],
])('fault 9: %s is not the kernel for its bracket', async ([module, kind]) => {
  const { frames } = await read(sample(`f (${module})`))
  expect(frames[1]!.kind).toBe(kind)
})

test('fault 9: the kernel is told by its half of the addresses, and by the marks of perf', async () => {
  const text = [
    '\tffffffffffffff80 [unknown] ([unknown])',
    '\t10 in_kernel (x)',
    '\tfffffffffffffe00 [unknown] ([unknown])',
    '\t10 in_user (x)',
    '\tffffffffff600000 vsyscall ([vsyscall])',
  ]
  expect(await foldedOf(`${header}${text.join('\n')}\n\n`)).toBe(
    'shop;vsyscall;in_user;in_kernel_[k] 1\n',
  )
  expect(await foldedOf(`${header}\tffffffffc0a00000 bpf_prog_1f (bpf_prog_1f)\n\n`)).toBe(
    'shop;bpf_prog_1f_[k] 1\n',
  )
})

test.for([
  '/lib/modules/6.1/nf.ko',
  'nf.ko.gz',
  'nf.ko.xz',
  '/x/nf.ko.zst',
  '/boot/vmlinux-6.1',
  '[kernel.vmlinux]',
])('fault 10: %s is the kernel', async module => {
  const { frames } = await read(sample(`f (${module})`))
  expect(frames[1]!.kind).toBe('kernel')
})

test('fault 11: a tracepoint is named by what stands before its payload, which is no frame', async () => {
  const payload = 'call_site=ffffffff81 ptr=0xff (main) 4a10 trick (x)'
  const profile = await read(
    `${sample('main (x)')}shop 12 [000] 1.6: kmem:kmalloc: ${payload}\n\t1 alloc (x)\n\n`,
  )
  expect(profile.columns.map(({ event }) => event)).toEqual(['cycles', 'cycles', 'kmem:kmalloc'])
  expect(folded(profile)).toBe('shop;main 1\n')
  expect(folded(profile, 2)).toBe('shop;alloc 1\n')
})

test('fault 12: what perf itself says is inlined is inlined', async () => {
  expect(await foldedOf(sample('fast(int) (inlined)', 'slow (x)'))).toBe('shop;slow;fast_[i] 1\n')
})

test('fault 13: quotes stay in names', async () => {
  expect(await foldedOf(sample(`RegExp:["'(]+ (/tmp/perf-9.map)`))).toBe(
    `shop;RegExp:["'(]+_[j] 1\n`,
  )
})

test('fault 14: an event keeps its modifiers', async () => {
  const text =
    'a 1 1.5: 7 cycles:u:\n\t1 main (x)\n\na 1 1.5: 7 cpu_core/cycles/ppp:\n\t1 main (x)\n\n'
  const { columns } = await read(text)
  expect(columns.map(({ event }) => event)).toEqual([
    'cycles:u',
    'cycles:u',
    'cpu_core/cycles/ppp',
    'cpu_core/cycles/ppp',
  ])
})

test('fault 15: the L of a Java type is dropped by the shape of the name, whatever the comm', async () => {
  const profile = await read(
    sample('Lorg/shop/Cart;::total (/tmp/perf-9.map)', 'Level::up (/tmp/perf-9.map)'),
  )
  expect(profile.frames.slice(1).map(({ name }) => name)).toEqual([
    'org/shop/Cart;::total',
    'Level::up',
  ])
  expect(folded(profile)).toBe('shop;Level::up_[j];org/shop/Cart:::total_[j] 1\n')
})

test('fault 16: input that is cut says so and keeps what came before', async () => {
  const whole = sample('leaf (x)', 'main (x)')
  for (let length = whole.length + 1; length < 2 * whole.length - 2; length++) {
    const profile = await read(`${whole}${whole}`.slice(0, length))
    const total = profile.columns[0]!.self.reduce((a, b) => a + b)
    if (profile.loss.size === 0) {
      // Cut at the end of a line, which a text without a last blank line looks like.
      expect(total).toBe(2)
      expect(`${whole}${whole}`.slice(0, length).trimEnd()).toMatch(/\)$/)
    } else {
      expect([...profile.loss]).toEqual([['cut off at the end of the input', 1]])
      expect(profile.notes.join()).toContain('truncated input, 1 samples kept')
      expect(total).toBe(1)
    }
  }
})

// Beyond the sixteen.

test('what looks like a frame behind an event is a payload when frames follow', async () => {
  const text = 'shop 12 1.6: app:add: add (x)\n\t1 leaf (x)\n\t2 main (x)\n\n'
  expect(await foldedOf(text + text)).toBe('shop;main;leaf 2\n')
})

test('a comm may begin like a comment', async () => {
  expect(await foldedOf('# cmdline : perf\n#\n#1 12 1.6: 1 cycles:\n\t1 main (x)\n\n')).toBe(
    '#1;main 1\n',
  )
})

test('a frame without a name is named by its module, with the reason', async () => {
  const profile = await read(
    `${header}\t1 [unknown] (/usr/lib/libc.so.6)\n\t2 [unknown] ([unknown])\n\t3 [unknown] (/tmp/perf-9.map)\n\tffffffff82a00000 [unknown] ([kernel.kallsyms])\n\n`,
  )
  expect(profile.frames.slice(1).map(({ name, kind, reason }) => [name, kind, reason])).toEqual([
    ['[libc.so.6]', 'unknown', 'unnamed by the tool'],
    ['[unknown]', 'unknown', 'not mapped'],
    ['[perf-9.map]', 'unknown', 'JIT without map'],
    ['[kernel.kallsyms]', 'unknown', 'kallsyms hidden'],
  ])
})

test('a sample without a stack is a sample of its thread', async () => {
  expect(await foldedOf(`${header}\n${sample('main (x)')}`)).toBe('shop 1\nshop;main 1\n')
})

test('an event need not have a time, a cpu or a period', async () => {
  expect(await foldedOf('java 1234 cycles:\n\t1 main (x)\n\n')).toBe('java;main 1\n')
  expect(await foldedOf('java 12/34 [001] 5000 cycles:u: \n\t1 main (x)\n\n')).toBe('java;main 1\n')
})

test('a comm may look like the fields that follow it', async () => {
  expect(await foldedOf('a: 1.2: [3] 4 55 [001] 9.5: 1 cycles:\n\t1 main (x)\n\n')).toBe(
    'a:_1.2:_[3]_4;main 1\n',
  )
  expect(await foldedOf(' :-1 -1/-1 [001] 9.5: 1 cycles:\n\t1 main (x)\n\n')).toBe(':-1;main 1\n')
})

test('lost samples are counted and other records passed over', async () => {
  const profile = await read(
    `shop 1 [000] 1.0: PERF_RECORD_COMM: shop:1/1\nshop 1 [000] 1.1: PERF_RECORD_LOST lost 7\n${sample('main (x)')}`,
  )
  expect(folded(profile)).toBe('shop;main 1\n')
  expect([...profile.loss]).toEqual([['lost by the kernel', 7]])
})

test('comments and carriage returns are no part of the text', async () => {
  const text = `# captured on: a day\n#\n${sample('leaf (x)', 'main (x)')}`.replaceAll('\n', '\r\n')
  expect(await foldedOf(text)).toBe('shop;main;leaf 1\n')
})

test.for(hostileNames)('a symbol is a name like any other (%$)', async name => {
  const { frames } = await read(sample(`f<${name}> (/srv/shop)`))
  expect(frames[1]).toEqual({ name: `f<${name}>`, kind: 'native', module: '/srv/shop' })
})

test('names made to keep a pattern busy are read at once', async () => {
  const names = [
    'f()'.repeat(30_000),
    ' '.repeat(90_000),
    '+0x'.repeat(30_000),
    'operator'.repeat(9000),
  ]
  const profile = await read(names.map(name => sample(`x${name}x (/srv/shop)`)).join(''))
  expect(folded(profile).split('\n').length).toBe(names.length + 1)
})

test('NUL and broken UTF-8 are bytes like any others', async () => {
  const text = Buffer.from(sample('a\0b (x)', 'c?d (x)').replace('?', '\xff'), 'latin1')
  const profile = await read(text)
  expect(frameNamed(profile, 'a\0b')).toBeDefined()
  expect(folded(profile)).toBe('shop;c\ufffdd;a\ufffdb 1\n')
})

test('a stack may be deeper than the call stack of V8', async () => {
  const depth = 50_000
  const text = `${header}${'\t1 f (x)\n'.repeat(depth)}\n`
  expect((await read(text)).stacks.length).toBe(depth + 1)
})

test('text without a single sample is malformed; a strange line among samples is noted', async () => {
  await expect(read('to whom\nit may concern\n')).rejects.toMatchObject({
    code: 'SP_PERF_SCRIPT_MALFORMED',
  })
  const profile = await read(`to whom\n${sample('main (x)')}\tit may concern\n`)
  expect(folded(profile)).toBe('shop;main 1\n')
  expect(profile.notes).toEqual(['2 lines of the perf script text are neither sample nor frame.'])
})

test('is found by its first event, and by nothing less', () => {
  const detect = (text: string) => detectPerfScript(Buffer.from(text))
  expect(detect(`# comment\n\n${header}`)).toBe(true)
  expect(detect('java 1234 cycles:\n\t    4a10 main (x)\n')).toBe(true)
  expect(detect('java 1234 cycles:\nmain\n')).toBe(false)
  expect(detect('main;work 5\n')).toBe(false)
  expect(detect('# only a comment\n')).toBe(undefined)
  expect(detect('')).toBe(undefined)
})
