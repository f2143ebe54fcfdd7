import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startDaemon } from './daemon.ts'

test('bytes that come while the house is being started are not lost', async () => {
  const daemon = await startDaemon()
  const ask = `POST /v1/captures HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${daemon.token}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 16\r\n\r\n{"unknown":true}`
  const answers = [0, 1, 2].map(
    () =>
      new Promise<string>(resolve => {
        let said = ''
        const socket = net.connect(daemon.port, '127.0.0.1', async () => {
          for (const byte of [
            ask.slice(0, 20),
            ask.slice(20, 60),
            ask.slice(60, 200),
            ask.slice(200),
          ]) {
            socket.write(byte)
            await sleep(30)
          }
        })
        socket.setNoDelay(true)
        socket.on('data', piece => {
          said += piece
        })
        socket.on('close', () => resolve(said))
        socket.on('error', () => resolve('error'))
      }),
  )
  const all = await Promise.all(answers)
  for (const each of all) expect(each).toContain('unknown')
})
