import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/cluster/*.pod.ts'],
    // Seconds, on a machine that does nothing else.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // One node, and times are measured on it.
    fileParallelism: false,
  },
})
