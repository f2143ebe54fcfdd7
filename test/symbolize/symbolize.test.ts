import { expect, test } from 'vitest'
import {
  type Frame,
  type Module,
  noCaller,
  type Profile,
  ProfileBuilder,
} from '../../agent/profile/profile.ts'
import { symbolize } from '../../agent/symbolize/symbolize.ts'
import type { ModuleSymbols, SymbolFrame } from '../../agent/symbolize/symbols.ts'
import { unnamed } from '../../agent/symbolize/unnamed.ts'
import { moduleOf, randomOf } from './fixture.ts'

const app = moduleOf('/app/server')
const kernel = moduleOf('[kernel]', { kind: 'kernel', pid: -1 })

function address(module: Module, value: number, isReturn = false): Frame {
  return { name: 'not yet', kind: 'unknown', address: { module, value, isReturn } }
}

/** Builds a profile: each stack root first, with its weight in the first column. */
function profileOf(...stacks: [Frame[], number][]): Profile {
  const builder = new ProfileBuilder()
  const column = builder.column('cycles', 'count')
  for (const [frames, weight] of stacks) {
    let stack = noCaller
    for (const frame of frames) stack = builder.stack(stack, builder.frame(frame))
    builder.add(stack, column, weight)
  }
  return builder.build()
}

/** Folded text: the stacks that have weight of their own. */
function folded({ frames, stacks, columns }: Profile, column = 0): string[] {
  const paths: string[] = []
  for (let index = 0; index < stacks.length; index++) {
    const { name } = frames[stacks.frame[index]!]!
    const caller = stacks.caller[index]!
    paths.push(caller === noCaller ? name : `${paths[caller]};${name}`)
  }
  const { self } = columns[column]!
  return paths
    .flatMap((path, index) => (self[index] === 0 ? [] : [`${path} ${self[index]}`]))
    .sort()
}

const native = (name: string): SymbolFrame => ({ name, kind: 'native' })
const named: ModuleSymbols = {
  find: value =>
    value < 0x100 ? [native('main')] : value < 0x200 ? [native('work')] : 'not in the symbol table',
}
const main: Frame = { name: 'thread 1', kind: 'thread' }

test('addresses of one function become one frame, and their stacks fall together', () => {
  const profile = profileOf(
    [[main, address(app, 0x10), address(app, 0x110)], 2],
    [[main, address(app, 0x18), address(app, 0x118)], 3],
    [[main, address(app, 0x18)], 4],
  )
  const result = symbolize(profile, () => named)
  expect(folded(result)).toEqual(['thread 1;main 4', 'thread 1;main;work 5'])
  expect(result.frames).toContainEqual({ name: 'main', kind: 'native', module: '/app/server' })
  expect(result.frames.every(frame => frame.address === undefined)).toBe(true)
})

test('a return address is looked up one byte before', () => {
  const calling = profileOf([[address(app, 0x100, true), address(app, 0x100)], 1])
  expect(folded(symbolize(calling, () => named))).toEqual(['main;work 1'])
})

test('inlined functions become frames of their own, outermost first, and the innermost has the weight', () => {
  const inlining: ModuleSymbols = {
    find: () => [native('outer'), { name: 'inner', kind: 'inlined', file: 'a.go' }],
  }
  const result = symbolize(profileOf([[address(app, 1), address(app, 2)], 7]), () => inlining)
  expect(folded(result)).toEqual(['outer;inner;outer;inner 7'])
  expect(result.frames).toContainEqual({
    name: 'inner',
    kind: 'inlined',
    file: 'a.go',
    module: '/app/server',
  })
})

test('an address without a name keeps its offset and says why', () => {
  const result = symbolize(profileOf([[address(app, 0x1234)], 1]), () => named)
  expect(result.frames).toEqual([
    {
      name: 'server+0x1234',
      kind: 'unknown',
      module: '/app/server',
      reason: 'not in the symbol table',
    },
  ])
  const hidden = symbolize(profileOf([[address(kernel, -0x1000)], 1]), () => ({
    find: () => 'kallsyms hidden',
  }))
  expect(hidden.frames).toEqual([
    {
      name: '[kernel]+0xfffffffffffff000',
      kind: 'unknown',
      module: '[kernel]',
      reason: 'kallsyms hidden',
    },
  ])
})

test('the offset in an unnamed return address is its own, not that of the byte before', () => {
  const profile = profileOf([[address(app, 0x301, true), address(app, 0x300)], 1])
  expect(folded(symbolize(profile, () => named))).toEqual(['server+0x301;server+0x300 1'])
})

test('a function of a kernel module is of that module', () => {
  const symbols: ModuleSymbols = {
    find: () => [{ name: 'nft_do_chain', kind: 'kernel', module: '[nf_tables]' }],
  }
  const result = symbolize(profileOf([[address(kernel, -5)], 1]), () => symbols)
  expect(result.frames).toEqual([{ name: 'nft_do_chain', kind: 'kernel', module: '[nf_tables]' }])
})

test('each module is asked for once, and its names once for each frame', () => {
  const asked: number[] = []
  let modules = 0
  const profile = profileOf([[address(app, 8), address(app, 0x111, true)], 2])
  symbolize(profile, () => {
    modules++
    return {
      find(value) {
        asked.push(value)
        return [native('f')]
      },
    }
  })
  expect(modules).toBe(1)
  expect(asked).toEqual([8, 0x110])
})

test('every column, the loss and the notes are kept', () => {
  const builder = new ProfileBuilder()
  const columns = [
    builder.column('cycles', 'count'),
    builder.column('faults', 'samples'),
    builder.column('empty', 'bytes'),
  ]
  const one = builder.stack(noCaller, builder.frame(address(app, 0x10)))
  const two = builder.stack(one, builder.frame(address(app, 0x110)))
  builder.add(one, columns[0]!, 1)
  builder.add(two, columns[0]!, 10)
  builder.add(two, columns[1]!, 5)
  builder.lose('lost by the kernel', 12)
  builder.note('The clock went back once.')
  const result = symbolize(builder.build(), () => named)
  expect(result.columns.map(({ event, unit }) => `${event} ${unit}`)).toEqual([
    'cycles count',
    'faults samples',
    'empty bytes',
  ])
  expect(folded(result, 0)).toEqual(['main 1', 'main;work 10'])
  expect(folded(result, 1)).toEqual(['main;work 5'])
  expect(folded(result, 2)).toEqual([])
  expect(result.loss).toEqual(new Map([['lost by the kernel', 12]]))
  expect(result.notes).toEqual(['The clock went back once.'])
})

test('a stack of 200,000 frames is not too deep', () => {
  const frames = Array.from({ length: 200_000 }, (_, index) => address(app, index % 0x200))
  const result = symbolize(profileOf([frames, 1]), () => named)
  expect(result.stacks.length).toBe(200_000)
})

test('no weight is lost or made, whatever the profile', () => {
  const random = randomOf(3)
  for (let round = 0; round < 50; round++) {
    const stacks = Array.from({ length: 40 }, (): [Frame[], number] => [
      Array.from({ length: random(6) + 1 }, () => address(app, random(0x400), random(2) === 0)),
      random(100),
    ])
    const { columns } = symbolize(profileOf(...stacks), () => named)
    const sum = columns[0]!.self.reduce((all, self) => all + self, 0)
    expect(sum).toBe(stacks.reduce((all, [, weight]) => all + weight, 0))
  }
})

test('what is unnamed is counted once a sample, by the frame nearest to the leaf', () => {
  const nameless: Frame = {
    name: 'libx.so+0x1',
    kind: 'unknown',
    module: '/lib/libx.so',
    reason: 'no symbols',
  }
  const jit: Frame = {
    name: '[anon]+0x2',
    kind: 'unknown',
    module: '[anon]',
    reason: 'JIT without map',
  }
  const good: Frame = { name: 'work', kind: 'native', module: '/app/server' }
  const profile = profileOf(
    [[good], 50],
    [[nameless, jit], 20],
    [[nameless, jit, good], 10],
    [[nameless, good], 20],
  )
  expect(unnamed(profile)).toEqual({
    leaf: 0.2,
    anywhere: 0.5,
    byReason: [
      { reason: 'JIT without map', share: expect.closeTo(0.3) },
      { reason: 'no symbols', share: 0.2 },
    ],
    byModule: [
      { module: '[anon]', reason: 'JIT without map', share: expect.closeTo(0.3) },
      { module: '/lib/libx.so', reason: 'no symbols', share: 0.2 },
    ],
  })
})

test('a profile without weight has nothing unnamed', () => {
  expect(unnamed(profileOf([[main], 0]))).toEqual({
    leaf: 0,
    anywhere: 0,
    byReason: [],
    byModule: [],
  })
})

test('a profile of names alone is handed on as it is', () => {
  const builder = new ProfileBuilder()
  const frame = builder.frame({ name: 'main', kind: 'native' })
  builder.add(builder.stack(noCaller, frame), builder.column('cpu', 'samples'), 1)
  const profile = builder.build()
  const nobody = () => {
    throw new Error('no module is asked for')
  }
  expect(symbolize(profile, nobody)).toBe(profile)
})
