#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

import type { Logger, StreamKitOptions } from '../index.js';
import { createDemoServer } from './server.js';
import { checkHost } from './host-access.js';

const USAGE = `Usage: stream-kit-server [options]
       stream-kit-server doctor [--encoder-device <device>] [--gpu <device>] [--config <file>]

Serves the demo: a viewer page, a scene to render, and the stream router at /stream.
With "doctor": tells what of this machine can be used, encoders first, and ends.

  --port <number>   Port to listen on; 0 for any that is free. Default: $PORT or 3001
  --host <address>  Address to listen on. Default: 127.0.0.1
  --capture <mode>  How pictures are taken: auto, tab or screencast. Default: auto
  --gpu <mode>      What draws pages: auto, off, or a device: a render node or the number of a GPU. Default: auto
  --encoder-device <device>  Render node or number of the GPU that encodes. Default: the first
  --udp-port <number>  UDP port of all media; 0 for any that is free. Default: 0
  --tcp-port <number>  TCP port of media for viewers whose network lets no UDP through. Default: none
  --announced-address <address>  Public address of this machine behind a NAT; may be given again
  --allow-anonymous  Lets everybody who reaches the server use it: one session per address. Without it, and without
                    validateRequest in the configuration, only clients of this machine are answered
  --drain-seconds <number>  After SIGTERM, how long pages that are watched may go on; no new ones are taken. Default: 0
  --drain-move      After SIGTERM, moves pages to other servers of the cluster, as long as those have room
  --terminal        Lets visitors of this machine open terminals: shells with the rights of this user
  --config <file>   Module whose default export holds options of the router; those above go before them
  --verbose         Log everything, not only warnings and errors
  --version         Print the version
  --help            Print this text`;

const CAPTURE_MODES = ['auto', 'tab', 'screencast'] as const;

interface CommandLine {
  port: number;
  host: string;
  /** Options of the router: those of the arguments, and those of the configuration. */
  router: StreamKitOptions;
  drainMs: number;
  drainMove: boolean;
  verbose: boolean;
}

/** Reads the arguments; undefined when they only asked for words, which are then printed. @throws Error for what it does not know. */
async function readCommandLine(): Promise<CommandLine | undefined> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      port: { type: 'string', default: process.env.PORT ?? '3001' },
      host: { type: 'string', default: '127.0.0.1' },
      capture: { type: 'string' },
      gpu: { type: 'string' },
      'encoder-device': { type: 'string' },
      'udp-port': { type: 'string' },
      'tcp-port': { type: 'string' },
      'announced-address': { type: 'string', multiple: true },
      'allow-anonymous': { type: 'boolean', default: false },
      'drain-seconds': { type: 'string', default: '0' },
      'drain-move': { type: 'boolean', default: false },
      terminal: { type: 'boolean', default: false },
      config: { type: 'string' },
      verbose: { type: 'boolean', default: false },
      version: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help || values.version) {
    console.log(values.help ? USAGE : version());
    return undefined;
  }
  const encoderDevice = values['encoder-device'];
  const [command, ...rest] = positionals;
  if (rest.length > 0 || (command !== undefined && command !== 'doctor')) {
    throw new Error(`Expected doctor or nothing but received ${positionals.join(' ')}`);
  }
  if (command === 'doctor') {
    const { examine } = await import('./doctor.js');
    const { puppeteerLaunchOptions: launchOptions } =
      values.config === undefined ? {} : await configuration(values.config);
    const gpuDevice = gpuDeviceOf(values.gpu);
    const { report, healthy } = await examine({ encoderDevice, gpuDevice, launchOptions });
    console.log(report);
    if (!healthy) process.exitCode = 1;
    return undefined;
  }
  const capture = CAPTURE_MODES.find((mode) => mode === values.capture);
  if (capture === undefined && values.capture !== undefined) {
    throw new Error(`Expected ${CAPTURE_MODES.join(', ')} for --capture but received ${values.capture}`);
  }
  const announcedAddresses = values['announced-address'];
  const configured = values.config === undefined ? {} : await configuration(values.config);
  const router: StreamKitOptions = {
    ...configured,
    ...(values['allow-anonymous'] ? { allowAnonymous: true } : {}),
    ...(values.terminal ? { terminal: { ...configured.terminal, enabled: true } } : {}),
    ...(capture === undefined ? {} : { capture }),
    ...(values.gpu === undefined ? {} : { gpu: gpuOf(values.gpu) }),
    ...(encoderDevice === undefined ? {} : { encoderDevice }),
    ...(values['udp-port'] === undefined ? {} : { udpPort: portOf(values['udp-port']) }),
    ...(values['tcp-port'] === undefined ? {} : { tcpPort: portOf(values['tcp-port']) }),
    ...(announcedAddresses === undefined ? {} : { announcedAddresses }),
  };
  checkHost(values.host, router);
  const drainMs = secondsOf(values['drain-seconds']) * 1000;
  const drainMove = values['drain-move'];
  if (drainMove && drainMs === 0) throw new Error('Expected --drain-seconds with --drain-move');
  return {
    port: portOf(values.port),
    host: values.host,
    router,
    drainMs,
    drainMove,
    verbose: values.verbose,
  };
}

function gpuOf(text: string): NonNullable<StreamKitOptions['gpu']> {
  return text === 'auto' || text === 'off' ? text : { device: text };
}

function gpuDeviceOf(text: string | undefined): string | undefined {
  const gpu = text === undefined ? 'auto' : gpuOf(text);
  return typeof gpu === 'object' ? gpu.device : undefined;
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (!(port <= 65_535)) throw new Error(`Expected a port between 0 and 65535 but received ${text}`);
  return port;
}

function secondsOf(text: string): number {
  const seconds = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (!(seconds <= 86_400)) throw new Error(`Expected seconds between 0 and 86400 but received ${text}`);
  return seconds;
}

/** The router checks what is in it. */
async function configuration(file: string): Promise<StreamKitOptions> {
  const { default: options } = (await import(pathToFileURL(resolve(file)).href)) as { default?: unknown };
  if (typeof options !== 'object' || options === null) {
    throw new Error(`Expected an object of options as the default export of ${file}`);
  }
  return options;
}

function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

/** One line of text an entry, on standard error: standard output is for what was asked for. */
function consoleLogger(verbose: boolean, bindings: object = {}): Logger {
  const write = (level: string, context: object, message: string): void => {
    const entries = Object.entries({ ...bindings, ...context }).map(([name, value]) => {
      return `${name}:${value instanceof Error ? (value.stack ?? value.message) : JSON.stringify(value)}`;
    });
    console.error(`${new Date().toISOString()} ${level} ${message} [${entries.join(', ')}]`);
  };
  const ignore = (): void => undefined;
  return {
    debug: verbose ? (context, message) => write('debug', context, message) : ignore,
    info: verbose ? (context, message) => write('info', context, message) : ignore,
    warn: (context, message) => write('warn', context, message),
    error: (context, message) => write('error', context, message),
    child: (more) => consoleLogger(verbose, { ...bindings, ...more }),
  };
}

async function main(): Promise<void> {
  const commandLine = await readCommandLine();
  if (commandLine === undefined) return;
  const { port, host, router, drainMs, drainMove, verbose } = commandLine;
  const demo = createDemoServer({ router: { logger: consoleLogger(verbose), ...router } });
  const stop = (): void => {
    // A second signal while closing ends the process the default way.
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    process.off('SIGTERM', drain);
    demo.close().catch(fail);
  };
  const drain = (): void => {
    // A second signal does not wait any longer.
    process.off('SIGTERM', drain);
    process.on('SIGTERM', stop);
    const timer = setTimeout(stop, drainMs);
    void demo.router.drain({ move: drainMove }).then(() => {
      clearTimeout(timer);
      stop();
    });
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', drainMs > 0 ? drain : stop);
  try {
    console.log(`stream-kit-server listens on ${await demo.listen(port, host)}`);
  } catch (error) {
    stop();
    throw error;
  }
}

function fail(thrown: unknown): void {
  console.error(`stream-kit-server: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  process.exitCode = 1;
}

main().catch(fail);
