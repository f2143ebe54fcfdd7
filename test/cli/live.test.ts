import { expect, test } from 'vitest'
import { showLive } from '../../agent/cli/live.ts'
import { openTerminal } from '../../agent/cli/terminal.ts'
import { readConfig } from '../../agent/config.ts'

test('a capture that is over before its look is there leaves no timer running', () => {
  const { settings } = readConfig({ json: true }, {})
  const show = showLive(settings, openTerminal(true, false))
  const before = process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  show.stop()
  show.onLive!({ view: async () => undefined, picture: async () => undefined, finish() {} })
  const after = process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  expect(after).toBe(before)
})
