// A cluster: the primary rests, one of its two workers does what service.js does; with
// REST=1 in the environment nobody does.
// With a title it looks as the daemon of PM2 does in `ps`, and so do its workers.
//
//     node cluster.js 30
//     node cluster.js 30 'PM2 v6: God Daemon'

import cluster from 'node:cluster'

const [, , seconds, title] = process.argv
if (title !== undefined) process.title = cluster.isPrimary ? title : 'shop api'
if (cluster.isPrimary) {
  const workers = [
    cluster.fork({ BUSY: process.env.REST === '1' ? '0' : '1' }),
    cluster.fork({ BUSY: '0' }),
  ]
  process.stdout.write(`${workers.map(worker => worker.process.pid).join(' ')}\n`)
  setTimeout(() => process.exit(0), seconds * 1000)
} else if (process.env.BUSY === '1') {
  await import('./service.js')
} else {
  setTimeout(() => process.exit(0), seconds * 1000)
}
