// Starts an event pipe session on PID, says `capturing` or the code of the error, and never ends by
// itself: to be killed.

import { capturePipe } from '../../agent/capture/eventpipe.ts'
import { ProfilerError } from '../../agent/errors.ts'

const never = new AbortController().signal
try {
  const capture = await capturePipe(Number(process.argv[2]), 'samples', 3_600_000, {
    stop: never,
    discard: never,
  })
  console.log('capturing')
  for await (const segment of capture.segments) for await (const _ of segment.chunks);
} catch (error) {
  if (!(error instanceof ProfilerError)) throw error
  console.log(error.code)
}
