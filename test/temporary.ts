// Folders for one test file, removed after it.

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll } from 'vitest'

const folders: string[] = []

// What a container had mounted below it may be busy for a moment after it has ended.
const options = { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }

afterAll(() => {
  for (const folder of folders) fs.rmSync(folder, options)
})

export function temporaryFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sp-flamegraph-test-'))
  folders.push(folder)
  return folder
}
