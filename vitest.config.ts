import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // A capture of a live process, or a browser's start, takes seconds on a busy machine.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Two cores: more workers would only slow the live captures.
    maxWorkers: 2,
    // Living programs share the cores with whatever else runs, and a share is measured on some hundred
    // samples: one such moment is no fault of ours. What is wrong fails three times.
    retry: 2,
  },
})
