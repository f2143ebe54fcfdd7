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
    // Where in our code, never what was in it: a stack begins with the message, which may hold anything.
    serializers: {
      err: ({ name, code, stack }) => ({ name, code, at: String(stack).match(/^ {4}at .*/gm) }),
    },
  },
  // Written at once: what is said last before a crash is what is looked for.
  pino.destination({ fd: 2, sync: true }),
)
