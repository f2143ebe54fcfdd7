// Half of the time it works and half of it rests. `turn` takes all of the CPU time.
//
//     node rest.js 30

let sink = 0

const endsAt = Date.now() + Number(process.argv[2]) * 1000
setInterval(function turn() {
  if (Date.now() > endsAt) process.exit(sink === 1 ? 1 : 0)
  for (const until = Date.now() + 50; Date.now() < until; ) {
    for (let i = 0; i < 10_000; i++) sink = (Math.imul(sink, 1103515245) + i) | 0
  }
}, 100)
