// The one logger: JSON lines on stderr, as a container's log is read.
//
// What is logged is ours: codes, ids, identities, counts. No name of a target, no
// body, no header; should one slip in all the same, what is secret is cut out
// here.

import { pino } from 'pino'

export const log = pino(
  {
    base: { pid: process.pid },
    level: process.env.SP_LOG_LEVEL ?? 'info',
    redact: {
      paths: ['token', '*.token', 'authorization', '*.authorization', '*.headers', '*.cookie'],
      censor: '[secret]',
    },
    // Ours and Node's errors; a stack says where in our code, never what was in it.
    serializers: { err: error => ({ name: error.name, code: error.code, stack: error.stack }) },
  },
  // Written at once: what is said last before a crash is what is looked for.
  pino.destination({ fd: 2, sync: true }),
)
