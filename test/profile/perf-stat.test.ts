import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { describeCounters, readPerfStat } from '../../agent/profile/perf-stat.ts'

function fixture(name: string): string {
  return readFileSync(new URL(`../fixtures/perf-stat/6.1/${name}`, import.meta.url), 'utf8')
}

describe('without hardware counters', () => {
  const counters = readPerfStat(fixture('vm.csv'), 1000)

  test('what the kernel counts is there', () => {
    const clock = counters.counters.find(({ event }) => event === 'task-clock')
    expect(clock).toMatchObject({ value: 184.2, counted: 1 })
    expect(counters.cpus).toBeCloseTo(0.184)
  })

  test('what it does not count is missing, not 0', () => {
    expect(counters.counters.find(({ event }) => event === 'cycles')).toEqual({
      event: 'cycles',
      absence: 'not available in this VM',
    })
    expect(counters).not.toHaveProperty('instructionsPerCycle')
    expect(describeCounters(counters)).toContain(
      'IPC, cache misses, branch misses not available in this VM',
    )
  })
})

// By hand, in the form of the manual: this machine has no hardware counters.
const hardware = `2000.00,msec,task-clock,2000000000,100.00,0.500,CPUs utilized
1200,,context-switches,2000000000,100.00,600.000,/sec
1,,cpu-migrations,2000000000,100.00,0.500,/sec
1500,,page-faults,2000000000,100.00,750.000,/sec
2,,major-faults,2000000000,100.00,1.000,/sec
4000000000,,cycles,1200000000,60.00,2.000,GHz
6000000000,,instructions,1200000000,60.00,1.50,insn per cycle
1000000,,cache-references,800000000,40.00,500.000,K/sec
50000,,cache-misses,800000000,40.00,5.00,of all cache refs
200000000,,branches,1200000000,60.00,100.000,M/sec
1000000,,branch-misses,1200000000,60.00,0.50,of all branches
`

test('ratios are of what was counted, and the multiplexing is said', () => {
  const counters = readPerfStat(hardware, 4000)
  expect(counters).toMatchObject({
    instructionsPerCycle: 1.5,
    cacheMisses: 0.05,
    branchMisses: 0.005,
    cpus: 0.5,
  })
  expect(describeCounters(counters)).toBe(
    '0.50 cores in use · 1.50 instructions a cycle · 5 % cache misses · 0.5 % branch misses · ' +
      '1,500 page faults (2 from disk) · 1,200 context switches · 1 migration · ' +
      'counted 40 % of the time and scaled up',
  )
})

test('an event of the kernel that was counted in user mode only is not 0', () => {
  const counters = readPerfStat(fixture('user-only.csv'), 1000)
  expect(counters.counters.find(({ event }) => event === 'context-switches')).toEqual({
    event: 'context-switches',
    absence: 'not permitted',
  })
  expect(describeCounters(counters)).toMatch(/context switches, migrations not permitted/)
})

test('a target that never ran was not counted', () => {
  const counters = readPerfStat(fixture('asleep.csv'), 1000)
  expect(describeCounters(counters)).toMatch(/CPU use.* not counted/)
})

test('whatever else is printed is passed over', () => {
  const noise =
    'Error:\nNo permission to enable cycles event.\n,,,,\n1,,constructor,1,1\nx,,cycles,1,1\n'
  expect(readPerfStat(noise, 1000).counters).toEqual([])
  expect(readPerfStat('1'.repeat(1 << 20), 0).counters).toEqual([])
})
