// JavaScript in the main thread, and native code in a thread of libuv's pool: the
// inspector sees the one, perf the other.
//
//     UV_THREADPOOL_SIZE=1 node pool.js 30

import { pbkdf2 } from 'node:crypto'

function hash() {
  pbkdf2('a', 'b', 500_000, 32, 'sha256', hash)
}
// Two, so that the pool always has one to do.
hash()
hash()
setTimeout(() => process.exit(0), Number(process.argv[2]) * 1000)
await import('./service.js')
