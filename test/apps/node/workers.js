// The main thread rests; a worker named `crunch` works as service.js does, and a
// second one waits for ever, as the workers of a pool do.
//
//     node workers.js 30

import path from 'node:path'
import { Worker } from 'node:worker_threads'

const seconds = process.argv[2]
new Worker(path.join(import.meta.dirname, 'service.js'), { argv: [seconds], name: 'crunch' })
const wait =
  'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(process.argv[2]) * 1000)'
new Worker(wait, { eval: true, argv: [seconds], name: 'waits' })
