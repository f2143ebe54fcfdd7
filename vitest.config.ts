import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // A capture of a live process, or a browser's start, takes seconds on a busy machine.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Two cores: more workers would only slow the live captures.
    maxWorkers: 2,
  },
})
