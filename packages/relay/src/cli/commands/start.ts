import { controlPath, EXIT, startControlServer } from '@peerfold/node/control'
import type { Command } from 'commander'
import { stringify } from 'yaml'
import type { Given } from '../../config/load-config.js'
import type { RelayConfig } from '../../config/schema.js'
import { toLimits } from '../../config/to-limits.js'
import type { HttpServer } from '../../http/start-http.js'
import type { RelayLogger } from '../../logger.js'
import type { HttpSide, RelayService } from '../../service.js'
import type { CommandContext } from '../context.js'
import { createOperations } from '../operations.js'

interface StartOptions {
  listen?: string[]
  announce?: string[]
  http?: string
  tlsCert?: string
  tlsKey?: string
  behindProxy?: boolean
  open?: boolean
  quota?: string
  logLevel?: string
  restored?: boolean
  printConfig?: boolean
}

/** `start`: the command that stays. */
export function addStartCommand(program: Command, context: CommandContext): void {
  program
    .command('start')
    .description('runs the relay until it is stopped; prints its addresses when it is ready')
    .option('--listen <multiaddr...>', 'where devices reach it; several are allowed')
    .option('--announce <multiaddr...>', 'what devices are told instead, behind a router or proxy')
    .option('--http <host:port>', 'where browsers and monitoring reach it, or off')
    .option('--tls-cert <file>', 'certificate chain of the HTTP side, PEM')
    .option('--tls-key <file>', 'its key, PEM')
    .option('--behind-proxy', 'a proxy in front of the HTTP side speaks TLS')
    .option('--open', 'whoever comes may begin a mailbox, not only those that were allowed')
    .option('--quota <bytes>', 'what one workspace may store, such as 20GiB')
    .option('--log-level <level>', 'fatal, error, warn, info, debug or silent; the log goes to stderr')
    .option('--restored', 'the data came from a backup: devices compare all they have with it')
    .option('--print-config', 'prints the settings that it would start with, and ends')
    .action(async (options: StartOptions) => {
      const config = await context.config(flagsOf(options))
      if (options.printConfig === true) printConfig(context, config)
      else await run(context, config, options.restored === true)
    })
}

function flagsOf(options: StartOptions): Given {
  const flags: Given = {
    listen: options.listen,
    announce: options.announce,
    open: options.open,
    'http.listen': options.http,
    'http.tlsCert': options.tlsCert,
    'http.tlsKey': options.tlsKey,
    'http.behindProxy': options.behindProxy,
    'limits.quota': options.quota,
    'log.level': options.logLevel,
  }
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined))
}

/** A file that sets just this; what there is to keep secret is in files that it names. */
function printConfig(context: CommandContext, config: RelayConfig): void {
  if (context.json) context.printJson(config)
  else context.print(stringify(config).trimEnd())
}

async function run(context: CommandContext, config: RelayConfig, restored: boolean): Promise<void> {
  // Loaded when it is needed only: the other commands take a tenth of the time.
  const [{ createRelay }, { createLogger }, { createMetrics }, { readTls }] = await Promise.all([
    import('../../relay.js'),
    import('../../logger.js'),
    import('../../metrics.js'),
    import('../../http/start-http.js'),
  ])
  // Before anything is made: a relay that cannot start as it should leaves nothing behind.
  if (config.http.tlsCert !== undefined) await readTls(config.http)
  const log = createLogger({ level: config.log.level })
  const metrics = createMetrics()
  const relay = await createRelay({
    directory: config.data,
    listen: config.listen,
    ...(config.announce.length === 0 ? {} : { announce: config.announce }),
    open: config.open,
    limits: toLimits(config),
    restored,
    log,
    http: (service) => startSides({ context, config, service, log, metrics }),
  })
  sayReady(context, relay.peer, relay.addresses(), relay.urls())
  await stopped(context.signal)
  log.info({ signal: 'stop' }, 'stopping')
  // What is stuck must not keep a machine from shutting down; all that was acknowledged is durable already.
  const deadline = setTimeout(() => process.exit(EXIT.failed), config.stopTimeout)
  await relay.close()
  clearTimeout(deadline)
  if (!context.json) context.print('the relay has stopped')
}

interface SidesInit {
  context: CommandContext
  config: RelayConfig
  service: RelayService
  log: RelayLogger
  metrics: ReturnType<typeof import('../../metrics.js')['createMetrics']>
}

/** HTTP, and the socket for commands. */
async function startSides({ config, service, log, metrics }: SidesInit): Promise<HttpSide> {
  metrics.watch(service)
  const control = await startControlServer(
    controlPath(config.data),
    createOperations({ service, config, metrics }),
  )
  let http: HttpServer | undefined
  try {
    if (config.http.listen !== 'off') {
      const { startHttp } = await import('../../http/start-http.js')
      http = await startHttp({ service, config: config.http, metrics, log })
    }
  } catch (error) {
    await control.close()
    throw error
  }
  const reload = () => {
    http?.reload().then(
      () => log.info({}, 'the certificate was read again'),
      (error: unknown) => log.error({ err: error }, 'the certificate cannot be read; the old one stays'),
    )
  }
  process.on('SIGHUP', reload)
  return {
    urls: () => http?.urls() ?? [],
    close: async () => {
      process.off('SIGHUP', reload)
      await Promise.all([http?.close(), control.close()])
    },
  }
}

function sayReady(context: CommandContext, peer: string, addresses: string[], urls: string[]): void {
  if (context.json) {
    context.printJson({ type: 'ready', peer, addresses, urls, pid: process.pid })
    return
  }
  context.print('the relay is ready at')
  for (const address of [...addresses, ...urls]) context.print(`  ${address}`)
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
