import { ClusterNodeProcess } from './cluster-node-process.js';
import { freePort } from './free-port.js';
import { HaproxyServer } from './haproxy-server.js';
import { RedisServer } from './redis-server.js';
import { ask } from './router-server.js';

/** How long a node may be paused, or stand still by itself, without anybody having called it lost, ms. Its lease is of 4 s. */
const SURELY_NOTICED_MS = 2000;

/** One run of one node. */
interface NodeRun {
  readonly name: string;
  readonly process: ClusterNodeProcess;
  killed: boolean;
  /** Longest silence, ms. */
  silentMs: number;
}

/** Several nodes in processes of their own, a Redis and an HAProxy, each of which can be killed and paused. */
export class StormCluster {
  private constructor(
    readonly redis: RedisServer,
    readonly haproxy: HaproxyServer,
    private readonly ports: readonly number[],
    private readonly current: NodeRun[],
  ) {}

  readonly #runs = new Map<string, NodeRun>();

  static async start(count: number): Promise<StormCluster> {
    const redis = await RedisServer.start();
    const ports = await Promise.all(Array.from({ length: count }, () => freePort()));
    const haproxy = await HaproxyServer.start(ports);
    const cluster = new StormCluster(redis, haproxy, ports, []);
    await Promise.all(ports.map((_, index) => cluster.#startNode(index, 0)));
    return cluster;
  }

  /** The router, through HAProxy. */
  get front(): string {
    return `${this.haproxy.origin}/stream`;
  }

  /** The router of each node; of one that is dead, where it was. */
  get urls(): string[] {
    return this.ports.map((port) => `http://127.0.0.1:${port}/stream`);
  }

  /** @param owner - name of a run. Undefined: nobody has seen where it was, so it was there for a moment. */
  mayBeLost(owner: string | undefined): boolean {
    const run = owner === undefined ? undefined : this.#runs.get(owner);
    return run === undefined || run.killed || run.silentMs > SURELY_NOTICED_MS;
  }

  async killNode(index: number): Promise<void> {
    const run = this.#run(index);
    run.killed = true;
    await run.process.kill();
  }

  async restartNode(index: number): Promise<void> {
    const [, generation = ''] = this.#run(index).name.split('#');
    await this.#startNode(index, Number(generation) + 1);
  }

  pauseNode(index: number): () => void {
    const run = this.#run(index);
    const pausedAtMs = performance.now();
    // What is going to be long counts from its beginning.
    const silence = setInterval(() => {
      run.silentMs = Math.max(run.silentMs, performance.now() - pausedAtMs);
    }, 50);
    run.process.pause();
    return () => {
      clearInterval(silence);
      run.silentMs = Math.max(run.silentMs, performance.now() - pausedAtMs);
      run.process.resume();
    };
  }

  /** Which sessions each run has now; of one that does not answer nothing is known. */
  async ownSessions(): Promise<{ owner: string; sessions: readonly string[] }[]> {
    const looks = this.current.map(async (run) => {
      try {
        const signal = AbortSignal.timeout(1000);
        const response = await fetch(run.process.ownUrl, { signal });
        const { sessions, longestStallMs } = (await response.json()) as {
          sessions: string[];
          longestStallMs: number;
        };
        run.silentMs = Math.max(run.silentMs, longestStallMs);
        return [{ owner: run.name, sessions }];
      } catch {
        return [];
      }
    });
    return (await Promise.all(looks)).flat();
  }

  /** Every node answers, and a session can be created at each. */
  async isWhole(): Promise<boolean> {
    const answers = await Promise.all(
      [this.front, ...this.urls].map((url) =>
        ask(`${url}/healthz/ready`, { signal: AbortSignal.timeout(2000) }).catch(() => undefined),
      ),
    );
    return answers.every((answer) => answer?.status === 200);
  }

  async stop(): Promise<void> {
    await Promise.all(this.current.map(({ process }) => process.kill()));
    await this.haproxy.stop();
    await this.redis.stop();
  }

  #run(index: number): NodeRun {
    const run = this.current[index];
    if (run === undefined) throw new Error('There is no such node');
    return run;
  }

  async #startNode(index: number, generation: number): Promise<void> {
    const options = { program: 'cluster-storm-node', port: this.ports[index] ?? 0 };
    const process = await ClusterNodeProcess.start(`node-${index}`, this.redis.url, options);
    const run = { name: `node-${index}#${generation}`, process, killed: false, silentMs: 0 };
    this.#runs.set(run.name, run);
    this.current[index] = run;
  }
}
