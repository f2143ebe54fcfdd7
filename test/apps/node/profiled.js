// As service.js, with a CPU profile of its own at work, as a continuous profiler
// takes them. Says at the end how many samples it has, and how many of them are of `parse`.
//
//     node profiled.js 30

import inspector from 'node:inspector'

const session = new inspector.Session()
session.connect()
session.post('Profiler.enable')
session.post('Profiler.setSamplingInterval', { interval: 5000 })
session.post('Profiler.start')
process.on('exit', () => {
  session.post('Profiler.stop', (_, { profile }) => {
    const parse = profile.nodes.filter(({ callFrame }) => callFrame.functionName === 'parse')
    const ids = new Set(parse.map(({ id }) => id))
    const count = profile.samples.filter(id => ids.has(id)).length
    process.stdout.write(`${profile.samples.length} ${count}\n`)
  })
})
await import('./service.js')
