// The thread that names a recording while it is still being read: started by
// names-ahead.ts, which tells what goes back and forth.
//
// Its files are its own. They are closed, and its memory is given back, when it
// ends, which is when it has answered.

import { parentPort } from 'node:worker_threads'
import { answerAll } from './answers.ts'
import { moduleFiles } from './module-files.ts'
import type { ToThread } from './names-ahead.ts'
import { nameSources } from './sources.ts'

const port = parentPort!
const files = moduleFiles()
const names = nameSources(files)

port.on('message', (message: ToThread) => {
  if ('seen' in message) {
    for (const { module, values } of message.seen) {
      const symbols = names.prepare(module)
      // What has been found once is found at once when it is asked for.
      if (symbols !== undefined) for (const value of values) symbols.find(value)
    }
    return
  }
  const answers = answerAll(names, message.asked, message.isSameKernel)
  const given = answers.modules.flatMap(({ values, answer }) => [values.buffer, answer.buffer])
  port.postMessage(answers, given)
  files.close()
  port.close()
})
