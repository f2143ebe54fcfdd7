// A worker does what service.js does, while the main thread is blocked in one call
// of native code that nothing interrupts: it opens a FIFO to which nobody writes yet.
//
//     node blocked.js 30 path/to/fifo

import fs from 'node:fs'
import path from 'node:path'
import { Worker } from 'node:worker_threads'

const [, , seconds, fifo] = process.argv
const worker = new Worker(path.join(import.meta.dirname, 'service.js'), { argv: [seconds] })
worker.once('online', () => setTimeout(() => fs.readFileSync(fifo), 200))
