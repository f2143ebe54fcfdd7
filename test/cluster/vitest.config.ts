import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/cluster/*.pod.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // One node, and times are measured on it.
    fileParallelism: false,
  },
})
