#!/usr/bin/env node
// The one program. A first word that begins with @ says which of our own
// processes it is to be (`session/fork.ts`); otherwise it is the command.
//
// Nothing is loaded that this role does not need: the door lives on what Node
// itself takes.

const role = process.argv[2]
if (role === '@door') await import('../http/door.ts')
else if (role === '@house') await import('../http/house.ts')
else if (role === '@capture') await import('./capture.ts')
else await import('../cli/main.ts')

export {}
