// Works for seconds in one call of native code that nothing interrupts, rests for
// one, and so on: its inspector opens when the call is over.
//
//     node blocked.js 30

import { pbkdf2Sync } from 'node:crypto'

const endsAt = Date.now() + Number(process.argv[2]) * 1000
function turn() {
  // 3 s on an idle machine.
  pbkdf2Sync('a', 'b', 6_000_000, 32, 'sha256')
  if (Date.now() < endsAt) setTimeout(turn, 1000)
}
turn()
