// Keeps one service on the loopback busy, one request after the other.
//
//     node load.ts PORT SECONDS

import http from 'node:http'

const [port, seconds] = process.argv.slice(2).map(Number)
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
const endsAt = performance.now() + seconds! * 1000
// The length of the path chooses the handler.
const paths = ['/', '/p', '/pa', '/pay']

function request(count: number): void {
  if (performance.now() >= endsAt) return
  const path = paths[count % paths.length]!
  http
    .get({ host: '127.0.0.1', port, path, agent }, response => {
      response.resume().on('end', () => request(count + 1))
    })
    // The service ended first: so do we.
    .on('error', () => {})
}

request(0)
