import { describe, expect, test } from 'vitest'
import { readHsperfdata } from '../../agent/runtimes/hsperfdata.ts'
import { fixture } from '../goldens.ts'
import { random } from '../random.ts'

const real = fixture('hsperfdata/17/hsperfdata')

describe('hsperfdata', () => {
  test('says the version and the flags', () => {
    const texts = readHsperfdata(real)!
    expect(texts.get('java.property.java.version')).toBe('17.0.15')
    expect(texts.get('java.rt.vmArgs')).toBe('-Xmx64m -XX:+UseSerialGC -XX:+DisableAttachMechanism')
    expect(texts.get('sun.rt.javaCommand')).toBe('Shares 30 cpu')
  })

  test('that is cut anywhere says what it can, and never fails', () => {
    for (let length = 0; length < real.length; length += 13) {
      const texts = readHsperfdata(real.subarray(0, length))
      for (const [name, value] of texts ?? []) {
        expect(readHsperfdata(real)!.get(name)?.startsWith(value)).toBe(true)
      }
    }
  })

  test('with any byte changed never fails', () => {
    const { integer } = random(17)
    for (let tries = 0; tries < 2000; tries++) {
      const damaged = Buffer.from(real)
      for (let times = 0; times < 4; times++) {
        damaged[integer(4096)] = integer(256)
      }
      expect(() => readHsperfdata(damaged)).not.toThrow()
    }
  })

  test('that is none is not read', () => {
    expect(readHsperfdata(Buffer.alloc(4096))).toBeUndefined()
    expect(readHsperfdata(Buffer.from('not at all'))).toBeUndefined()
  })
})
