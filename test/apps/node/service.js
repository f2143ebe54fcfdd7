// A program with a known hot path: parse takes 70 % and encode 30 % of the
// time. Ends by itself after the seconds given, or at SIGTERM when the turn is over.
// With PACE in its environment it prints the microseconds that each turn took.
//
//     node --perf-basic-prof service.js 30

let sink = 0

function parse() {
  for (let i = 0; i < 7_000; i++) sink = (Math.imul(sink, 1103515245) + i) | 0
}

function encode() {
  for (let i = 0; i < 3_000; i++) sink = (Math.imul(sink, 1103515245) + i) | 0
}

// A call that has had five targets is never inlined, so both keep their own frames.
const steps = [parse, encode, () => sink, () => -sink, () => sink + 1]

function handle() {
  for (const step of steps) step()
}

// On its own: V8 throws the optimised code of a function away when it goes on after a hot loop, which it
// has never seen it do, and its profiler takes an extra sample each time.
function turn(rounds) {
  for (let i = 0; i < rounds; i++) handle()
}

let endsAt = Date.now() + Number(process.argv[2]) * 1000
process.on('SIGTERM', () => {
  endsAt = 0
})
const { PACE } = process.env
function serve() {
  const began = performance.now()
  turn(PACE ? 200 : 2_000)
  if (PACE) console.log(((performance.now() - began) * 1000).toFixed(1))
  if (Date.now() < endsAt) setImmediate(serve)
}
serve()
