import { defineConfig } from 'vitest/config';

// What is late on a slow machine is not wrong: these limits end what hangs, and nothing else.
const PATIENT = { testTimeout: 60_000, hookTimeout: 60_000, expect: { poll: { timeout: 30_000 } } };
const MORE_PATIENT = { ...PATIENT, testTimeout: 120_000, hookTimeout: 120_000 };

export default defineConfig({
  test: {
    projects: [
      // One process for all of them: loading werift anew for each file took three times as long as the tests.
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], isolate: false, ...PATIENT } },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          ...PATIENT,
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
          ...MORE_PATIENT,
          fileParallelism: false,
          isolate: false,
          sequence: { groupOrder: 2 },
        },
      },
      // `npm run test:faults`: every fault at every stage takes too long for each `npm test`.
      {
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          ...MORE_PATIENT,
          fileParallelism: false,
          isolate: false,
          sequence: { groupOrder: 3 },
        },
      },
      // `npm run test:slow`: what waits until something has settled, and what tries all encoders, browsers or libraries.
      {
        test: {
          name: 'slow',
          include: ['test/slow/**/*.test.ts'],
          ...MORE_PATIENT,
          fileParallelism: false,
          isolate: false,
          sequence: { groupOrder: 3 },
        },
      },
      // `npm run test:cluster`: nodes, Redis and a load balancer that are killed and paused, for minutes.
      {
        test: {
          name: 'cluster',
          include: ['test/cluster/**/*.test.ts'],
          ...MORE_PATIENT,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
      // Against SFUs that `npm run test:sfu` builds.
      {
        test: {
          name: 'sfu',
          include: ['test/sfu/**/*.test.ts'],
          ...MORE_PATIENT,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
      // Installs each example's packages from the registry: `npm run test:examples`, not part of `npm test`.
      {
        test: {
          name: 'examples',
          include: ['test/examples/**/*.test.ts'],
          ...MORE_PATIENT,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
