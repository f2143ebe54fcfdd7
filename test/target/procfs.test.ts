import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import {
  listPids,
  readArguments,
  readExecutable,
  readKernelSetting,
  readMaps,
  readStat,
  readStatus,
} from '../../agent/target/procfs.ts'

describe('a living process', () => {
  test('shows its name, parent and start', () => {
    const stat = readStat(process.pid)
    expect(stat.pid).toBe(process.pid)
    expect(stat.parentPid).toBe(process.ppid)
    expect(stat.cpuTicks).toBeGreaterThan(0)
    expect(stat.startTicks).toBeGreaterThan(0)
  })

  test('may have a name that looks like the fields that follow it', async () => {
    const child = spawn('python3', [
      '-c',
      `open('/proc/self/comm','w').write(') R 1 (x y')\nprint(flush=True)\nimport time; time.sleep(30)`,
    ])
    try {
      await once(child.stdout, 'data')
      const stat = readStat(child.pid!)
      expect(stat.comm).toBe(') R 1 (x y')
      expect(stat.parentPid).toBe(process.pid)
    } finally {
      child.kill('SIGKILL')
    }
  })

  test('maps its executable at addresses that agree with the file', () => {
    const executable = readExecutable(process.pid)
    const mapping = readMaps(process.pid).find(each => each.executable && each.path === executable)!
    expect(mapping.end).toBeGreaterThan(mapping.start)
    expect(mapping.inode).toBeGreaterThan(0)
    expect(mapping.range).toBe(`${mapping.start.toString(16)}-${mapping.end.toString(16)}`)
  })

  test('tells who it is', () => {
    const status = readStatus(process.pid)
    expect(status.uid).toBe(process.getuid!())
    expect(status.nspid).toBe(process.pid)
    expect(readArguments(process.pid)[0]).toContain('node')
    expect(listPids()).toContain(process.pid)
  })
})

describe('a process that is not there', () => {
  // Above the highest pid that Linux gives out (2^22).
  const nobody = 5_000_000

  test.for([readStat, readStatus, readMaps, readArguments, readExecutable])(
    'is told as gone: %o',
    read => {
      expect(() => read(nobody)).toThrow(expect.objectContaining({ code: 'SP_TARGET_GONE' }))
    },
  )
})

test('a kernel setting that does not exist is undefined, not 0', () => {
  expect(readKernelSetting('no_such_setting')).toBeUndefined()
  expect(readKernelSetting('pid_max')).toBeGreaterThan(0)
})
