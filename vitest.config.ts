import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      // One process for all of them: loading werift anew for each file took three times as long as the tests.
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], isolate: false } },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 30_000,
          hookTimeout: 30_000,
          // Two cores: browsers beside each other would starve each other.
          fileParallelism: false,
          // One process for all of them here too, after the unit tests.
          isolate: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          isolate: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
