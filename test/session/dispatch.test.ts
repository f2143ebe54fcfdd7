// Jobs side by side, with time as steps: a job ends when the test says so.

import { expect, test } from 'vitest'
import { dispatch, type Job } from '../../agent/session/dispatch.ts'

/** Jobs of these names; a name and a colon and a word is exclusive for that word. */
function jobs(...names: string[]) {
  const began: string[] = []
  const ends = new Map<string, PromiseWithResolvers<string>>()
  const made = names.map((text): Job<string> => {
    const [name, exclusive] = text.split(':') as [string, string | undefined]
    return {
      exclusive: exclusive === undefined ? [] : [exclusive],
      run() {
        began.push(name)
        const end = Promise.withResolvers<string>()
        ends.set(name, end)
        return end.promise
      },
    }
  })
  const step = () => new Promise(resolve => setImmediate(resolve))
  return {
    jobs: made,
    began,
    async end(name: string) {
      ends.get(name)!.resolve(name)
      await step()
    },
    async fail(name: string) {
      ends.get(name)!.reject(new Error(name))
      await step()
    },
  }
}

const never = new AbortController().signal

test('as many run at once as there are slots, in order', async () => {
  const { jobs: all, began, end } = jobs('a', 'b', 'c')
  const done = dispatch(all, 2, never)
  expect(began).toEqual(['a', 'b'])
  await end('b')
  expect(began).toEqual(['a', 'b', 'c'])
  await end('c')
  await end('a')
  expect((await done).map(result => result?.status)).toEqual(Array(3).fill('fulfilled'))
})

test('what needs the same thing runs one after another, and lets others pass', async () => {
  const { jobs: all, began, end } = jobs('a:port 1', 'b:port 1', 'c:port 2', 'd')
  const done = dispatch(all, 3, never)
  expect(began).toEqual(['a', 'c', 'd'])
  await end('c')
  expect(began).toHaveLength(3)
  await end('a')
  expect(began).toEqual(['a', 'c', 'd', 'b'])
  await end('b')
  await end('d')
  await done
})

test('one that fails takes nothing with it, and gives back what it held', async () => {
  const { jobs: all, began, end, fail } = jobs('a:port', 'b:port')
  const done = dispatch(all, 2, never)
  await fail('a')
  expect(began).toEqual(['a', 'b'])
  await end('b')
  expect((await done).map(result => result?.status)).toEqual(['rejected', 'fulfilled'])
})

test('once stopped nothing more begins, and what runs may end', async () => {
  const stop = new AbortController()
  const { jobs: all, began, end } = jobs('a', 'b')
  const done = dispatch(all, 1, stop.signal)
  stop.abort()
  await end('a')
  expect(await done).toEqual([{ status: 'fulfilled', value: 'a' }, undefined])
  expect(began).toEqual(['a'])
})

test('nothing to do is done', async () => {
  expect(await dispatch([], 2, never)).toEqual([])
})
