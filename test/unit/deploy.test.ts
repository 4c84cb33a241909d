import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { parseAllDocuments } from 'yaml';

import { newSessionCounters } from '../../src/session/session-counters.js';
import { RouterMetrics } from '../../src/observe/router-metrics.js';
import { resolveOptions, type StreamKitOptions } from '../../src/options/stream-kit-options.js';

/** What is deployed is checked against what the server reads: nobody runs these files in `npm test`. */

const root = join(import.meta.dirname, '..', '..');
const folder = join(root, 'examples', 'deploy');
const read = (path: string): string => readFileSync(join(folder, path), 'utf8');
const yamlFiles = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.yaml'),
);

function documents(path: string): any[] {
  return parseAllDocuments(read(path), { uniqueKeys: true }).map((document) => {
    expect(document.errors, path).toEqual([]);
    expect(document.warnings, path).toEqual([]);
    return document.toJS() as unknown;
  });
}

/** The one of a kind, with the patch of an overlay where that is named. */
function manifest(kind: string, overlay?: 'nvidia' | 'vaapi' | 'autoscaling'): any {
  const paths = yamlFiles.filter((name) => name.startsWith(`kubernetes/${overlay ?? 'base'}/`));
  const all = paths.flatMap(documents).flatMap((document) => {
    const patches: { patch: string }[] = document.kind === 'Kustomization' ? (document.patches ?? []) : [];
    return [document, ...patches.flatMap(({ patch }) => parseAllDocuments(patch).map((one) => one.toJS()))];
  });
  const found = all.find((document) => document.kind === kind);
  expect(found, `${kind} of ${overlay ?? 'base'}`).toBeDefined();
  return found;
}

const MAIN = readFileSync(join(root, 'src/demo/main.ts'), 'utf8');
const DOCKERFILE = readFileSync(join(root, 'Dockerfile'), 'utf8');

/** Options of the command line that the server does not have. */
function unknownFlags(args: readonly string[]): string[] {
  const [, options = ''] = /parseArgs\(\{[^]*?options: \{([^]*?)\n {4}\},/.exec(MAIN) ?? [];
  const known = Array.from(options.matchAll(/^ {6}'?([\w-]+)'?: \{/gm), ([, name]) => `--${name}`);
  expect(known).toContain('--config');
  return args.filter((argument) => argument.startsWith('--') && !known.includes(argument));
}

/** Names that options.mjs, the server, or a library below it looks up in the environment. */
const READ_BY_OPTIONS = /const \{([^}]*)\} = process\.env/.exec(read('options.mjs'))?.[1] ?? '';
const ENVIRONMENT = new Set([
  ...Array.from(READ_BY_OPTIONS.matchAll(/\b[A-Z_]+\b/g), ([name]) => name),
  'XDG_CACHE_HOME',
]);

function drainSeconds(args: readonly string[]): number {
  return Number(args[args.indexOf('--drain-seconds') + 1]);
}

async function optionsWith(environment: Readonly<Record<string, string>>): Promise<StreamKitOptions> {
  for (const name of ENVIRONMENT) vi.stubEnv(name, environment[name]);
  onTestFinished(() => void vi.unstubAllEnvs());
  const url = `${pathToFileURL(join(folder, 'options.mjs')).href}?${JSON.stringify(environment)}`;
  return ((await import(url)) as { default: StreamKitOptions }).default;
}

const hasHadolint = spawnSync('hadolint', ['--version'], { stdio: 'ignore' }).status === 0;

it.skipIf(!hasHadolint)('hadolint finds nothing in the Dockerfile', () => {
  const { stdout, status } = spawnSync('hadolint', [join(root, 'Dockerfile')], { encoding: 'utf8' });
  expect([stdout, status]).toEqual(['', 0]);
});

it('the image runs as a user by number, who is not root', () => {
  // As Kubernetes checks it.
  expect(/^USER (\d+)/m.exec(DOCKERFILE)?.[1]).toBe(
    String(manifest('Deployment').spec.template.spec.securityContext.runAsUser),
  );
});

it.each(yamlFiles)('%s is YAML without doubtful places', (path) => {
  expect(documents(path).length).toBeGreaterThan(0);
});

describe('options.mjs', () => {
  it('is what the router takes, and lets through the token alone', async () => {
    const options = await optionsWith({ TOKEN: 'a-secret-of-some-length', ANNOUNCED_ADDRESS: '203.0.113.5' });
    const resolved = resolveOptions(options);
    expect(resolved).toMatchObject({ announcedAddresses: ['203.0.113.5'], cluster: undefined });
    expect(resolved.health).toBeDefined();
    expect(resolved.metrics).toBeDefined();
    const isAuthorized = async (authorization: string | undefined): Promise<unknown> => {
      const answer = await options.validateRequest?.({ headers: { authorization } } as never, undefined);
      return answer?.authorized;
    };
    expect(await isAuthorized('Bearer a-secret-of-some-length')).toBe(true);
    expect(await isAuthorized('Bearer a-secret-of-some-lengtH')).toBe(false);
    expect(await isAuthorized('Bearer ')).toBe(false);
    expect(await isAuthorized(undefined)).toBe(false);
  });

  it('makes a node of a cluster with what the manifests set', async () => {
    const environment: Record<string, string> = { TOKEN: 'a-secret-of-some-length' };
    const { env } = manifest('Deployment', 'autoscaling').spec.template.spec.containers[0];
    for (const { name, value } of env) environment[name] = value ?? 'some-value';
    environment.ADVERTISE_URL = environment.ADVERTISE_URL?.replace('$(POD_IP)', '10.0.0.1') ?? '';
    environment.REDIS_URL = 'redis://redis:6379';
    environment.CLUSTER_SECRET = 'c'.repeat(32);
    const { cluster } = resolveOptions(await optionsWith(environment));
    expect(cluster).toMatchObject({ nodeId: 'some-value', advertiseUrl: 'http://10.0.0.1:3001/stream' });
  });

  it('refuses to start without a token', async () => {
    await expect(optionsWith({ TOKEN: 'short' })).rejects.toThrow('at least 16 characters');
  });

  it('is the same for Kubernetes', () => {
    expect(read('kubernetes/base/options.mjs')).toBe(read('options.mjs'));
  });
});

describe('compose', () => {
  const services = ['compose.yaml', 'compose.nvidia.yaml', 'compose.vaapi.yaml'].map((path) => ({
    path,
    service: documents(path)[0].services['stream-kit'],
  }));
  const [base, nvidia, vaapi] = services.map(({ service }) => service);

  it('starts the server by options that it has, and lets it drain', () => {
    expect(unknownFlags(base.command)).toEqual([]);
    expect(parseInt(base.stop_grace_period)).toBeGreaterThan(drainSeconds(base.command));
  });

  it.each(services)('$path sets nothing in the environment that nobody reads', ({ service }) => {
    expect(Object.keys(service.environment).filter((name) => !ENVIRONMENT.has(name))).toEqual([]);
  });

  it('contains the container', () => {
    expect(base).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
    expect(base.security_opt).toEqual(['no-new-privileges:true', 'seccomp=./chromium-seccomp.json']);
    expect(base.privileged).toBeUndefined();
  });

  it('publishes the ports of the image, and mounts files that are there', () => {
    const exposed = /^EXPOSE (.*)$/m.exec(DOCKERFILE)?.[1]?.split(' ') ?? [];
    const published = base.ports.map((port: string) => port.split(':').at(-1));
    expect(published.map((port: string) => (port.includes('/') ? port : `${port}/tcp`))).toEqual(exposed);
    for (const volume of base.volumes) expect(existsSync(join(folder, volume.split(':')[0]))).toBe(true);
    expect(existsSync(join(folder, base.build.context, 'Dockerfile'))).toBe(true);
  });

  it.each(services)('$path mounts each volume where the user of the image may write', ({ path, service }) => {
    const named = Object.keys(documents(path)[0].volumes ?? {});
    const mounted: string[] = service.volumes ?? [];
    const points = mounted.map((volume) => volume.split(':')).filter(([name = '']) => named.includes(name));
    expect(new Set(points.map(([name]) => name))).toEqual(new Set(named));
    const [before = '', user] = DOCKERFILE.split(/^USER (\d+:\d+)$/m);
    const [uid, gid] = user?.split(':') ?? [];
    // In the last stage, which is the one that is run.
    const stage = before.slice(before.lastIndexOf('\nFROM '));
    for (const [, point] of points)
      expect(stage).toContain(`\nRUN install -d -o ${uid} -g ${gid} ${point}\n`);
  });

  it('builds images of which the Dockerfile has a stage', () => {
    for (const { build } of [nvidia, vaapi]) {
      expect(DOCKERFILE).toContain(`AS runtime-${build.args.GPU}\n`);
    }
  });
});

describe('the manifests for Kubernetes', () => {
  const pod = () => manifest('Deployment').spec.template.spec;
  const container = () => pod().containers[0];

  it('start the server by options that it has, and let it drain', () => {
    expect(unknownFlags(container().args)).toEqual([]);
    expect(pod().terminationGracePeriodSeconds).toBeGreaterThan(drainSeconds(container().args));
    const { args } = manifest('Deployment', 'autoscaling').spec.template.spec.containers[0];
    expect(unknownFlags(args)).toEqual([]);
    expect(args).toContain('--drain-move');
    expect(pod().terminationGracePeriodSeconds).toBeGreaterThan(drainSeconds(args));
  });

  it.each([undefined, 'nvidia', 'vaapi', 'autoscaling'] as const)(
    'set nothing in the environment that nobody reads (%s)',
    (overlay) => {
      const { env } = manifest('Deployment', overlay).spec.template.spec.containers[0];
      const names: string[] = env.map(({ name }: { name: string }) => name);
      // It is named in another one.
      const unread = names.filter(
        (name) => !ENVIRONMENT.has(name) && !JSON.stringify(env).includes(`$(${name})`),
      );
      expect(unread).toEqual([]);
    },
  );

  it('contain the container', () => {
    expect(pod().securityContext).toMatchObject({
      runAsNonRoot: true,
      seccompProfile: { type: 'Localhost', localhostProfile: 'chromium-seccomp.json' },
    });
    expect(container().securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    const mounts: { name: string; mountPath: string }[] = container().volumeMounts;
    const volumes: string[] = pod().volumes.map(({ name }: { name: string }) => name);
    expect(mounts.map(({ name }) => name).toSorted()).toEqual(volumes.toSorted());
    expect(mounts.map(({ mountPath }) => mountPath)).toEqual(expect.arrayContaining(['/dev/shm', '/tmp']));
  });

  it('publish one UDP port, and one TCP port by a Service', () => {
    const ports: { name: string; containerPort: number; protocol?: string }[] = container().ports;
    const exposed = ports.map(
      ({ containerPort, protocol = 'TCP' }) => `${containerPort}/${protocol.toLowerCase()}`,
    );
    expect(DOCKERFILE).toContain(`EXPOSE ${exposed.join(' ')}\n`);
    const { ports: published, selector } = manifest('Service').spec;
    expect(published.map(({ targetPort }: { targetPort: string }) => targetPort)).toEqual(['http']);
    expect(manifest('Deployment').spec.template.metadata.labels).toEqual(selector);
  });

  it('ask a path for the health that the server has, also where it has no room', () => {
    // Below the mount point of the stand-alone server.
    const server = readFileSync(join(root, 'src/demo/server.ts'), 'utf8');
    expect(server).toContain("app.use('/stream', router)");
    const path = `/stream${resolveOptions({ health: true }).health?.path}`;
    const { startupProbe, readinessProbe, livenessProbe } = container();
    for (const probe of [startupProbe, readinessProbe, livenessProbe]) {
      expect(probe.httpGet).toEqual({ path, port: 'http' });
    }
  });

  it('ask for one GPU in the overlays, and for the image that was made for it', () => {
    for (const [overlay, resource] of [
      ['nvidia', 'nvidia.com/gpu'],
      ['vaapi', 'gpu.intel.com/i915'],
    ] as const) {
      const { resources } = manifest('Deployment', overlay).spec.template.spec.containers[0];
      expect(resources.limits).toEqual({ [resource]: 1 });
      expect(manifest('Kustomization', overlay).images[0].newTag).toBe(overlay);
      expect(DOCKERFILE).toContain(`AS runtime-${overlay}\n`);
    }
  });

  it('scale by metrics that the server has', async () => {
    const metrics = new RouterMetrics({
      maxSessions: 3,
      room: () => 2,
      counters: newSessionCounters(),
      mediaPlane: { name: 'werift' },
      states: () => [],
    });
    onTestFinished(() => metrics.close());
    const text = await metrics.read();
    const rules = documents('kubernetes/autoscaling/prometheus-adapter.yaml')[0].rules.custom as {
      readonly seriesQuery: string;
      readonly metricsQuery: string;
      readonly name: { readonly as: string };
    }[];
    const names = rules.flatMap(
      ({ seriesQuery, metricsQuery }) => `${seriesQuery} ${metricsQuery}`.match(/stream_kit_\w+/g) ?? [],
    );
    expect(new Set(names)).toEqual(
      new Set(['stream_kit_sessions', 'stream_kit_sessions_room', 'stream_kit_media_bytes_sent_total']),
    );
    for (const name of names) expect(text).toMatch(new RegExp(`# TYPE ${name} (?:gauge|counter)`));
    const [rule] = rules;
    for (const status of /status=~"([^"]+)"/.exec(rule?.metricsQuery ?? '')?.[1]?.split('|') ?? []) {
      expect(text).toContain(`stream_kit_sessions{status="${status}"}`);
    }
    const autoscaler = manifest('HorizontalPodAutoscaler', 'autoscaling').spec;
    expect(
      (autoscaler.metrics as { pods: { metric: { name: string } } }[]).map(({ pods }) => pods.metric.name),
    ).toEqual(rules.map(({ name }) => name.as));
    expect(autoscaler.scaleTargetRef.name).toBe(manifest('Deployment').metadata.name);
    const { annotations } = manifest('Deployment', 'autoscaling').spec.template.metadata;
    expect(annotations['prometheus.io/path']).toBe(
      `/stream${resolveOptions({ metrics: true }).metrics?.path}`,
    );
  });
});

describe('the systemd unit', () => {
  const entries = Array.from(
    read('stream-kit.service').matchAll(/^(\w+)=(.*)$/gm),
    ([, key = '', value = '']) => ({
      key,
      value,
    }),
  );
  const valueOf = (wanted: string): string => entries.find(({ key }) => key === wanted)?.value ?? '';

  it('starts the server by options that it has, and lets it drain', () => {
    const args = valueOf('ExecStart').split(' ').slice(1);
    expect(unknownFlags(args)).toEqual([]);
    expect(Number(valueOf('TimeoutStopSec'))).toBeGreaterThan(drainSeconds(args));
  });

  it('delegates the controllers of sessionLimits', () => {
    expect(valueOf('Delegate').split(' ').toSorted()).toEqual(['cpu', 'memory', 'pids']);
    // Otherwise the hierarchy is read-only.
    expect(valueOf('ProtectControlGroups')).toBe('no');
  });

  it('permits the system calls that the seccomp profile of containers permits for Chromium', () => {
    const profile = JSON.parse(read('chromium-seccomp.json')) as SeccompProfile;
    const allowed = namesOf(profile, 'SCMP_ACT_ALLOW');
    const extra = valueOf('SystemCallFilter').split(' ').slice(1);
    for (const name of extra) expect(allowed).toContain(name);
  });
});

interface SeccompProfile {
  readonly defaultAction: string;
  readonly syscalls: readonly {
    readonly names: readonly string[];
    readonly action: string;
    readonly args?: readonly { readonly index: number; readonly value: number; readonly op: string }[];
  }[];
}

function namesOf({ syscalls }: SeccompProfile, action: string): string[] {
  return syscalls.filter((rule) => rule.action === action).flatMap(({ names }) => names);
}

describe('the seccomp profile', () => {
  const profile = JSON.parse(read('chromium-seccomp.json')) as SeccompProfile;

  it('allows by name, and nothing that gets at the kernel or other processes', () => {
    expect(profile.defaultAction).toBe('SCMP_ACT_ERRNO');
    const allowed = namesOf(profile, 'SCMP_ACT_ALLOW');
    for (const name of ['read', 'futex', 'chroot', 'clone', 'unshare']) expect(allowed).toContain(name);
    const never =
      'mount umount2 pivot_root setns bpf ptrace kexec_load init_module finit_module delete_module reboot swapon ' +
      'keyctl add_key request_key userfaultfd io_uring_setup open_by_handle_at perf_event_open process_vm_readv ' +
      'process_vm_writev quotactl acct settimeofday clock_settime iopl ioperm';
    expect(allowed.filter((name) => never.split(' ').includes(name))).toEqual([]);
  });

  it('makes no namespaces but those of Chromium: user, PID and network', () => {
    const [NEWNS, NEWCGROUP, NEWUTS, NEWIPC] = [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000];
    const makers = profile.syscalls.filter(
      ({ names }) => names.includes('clone') || names.includes('unshare'),
    );
    expect(makers).toHaveLength(1);
    expect(makers[0]?.args).toEqual([
      { index: 0, value: NEWNS + NEWCGROUP + NEWUTS + NEWIPC, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' },
    ]);
  });
});
