import { printable } from '@peerfold/node/control'
import type { Command } from 'commander'
import type { RelayConfig } from '../../config/schema.js'
import type { VerifyReport } from '../../verify.js'
import { actAsOwner } from '../act-as-owner.js'
import { type CommandContext, findRunning } from '../context.js'
import { FoundDamage } from '../found-damage.js'
import { checkIsRelay } from '../stopped-relay.js'

const SILENT = { info: () => {}, warn: () => {}, error: () => {} }

/** `verify`: reads all that a stopped relay holds, and says what is damaged. */
export function addVerifyCommand(program: Command, context: CommandContext): void {
  program
    .command('verify')
    .description('reads every record, row and block of a stopped relay; exit 1 when any is damaged')
    .action(async () => {
      const config = await context.config()
      const running = await findRunning(config)
      const report =
        running === undefined
          ? await verify(config, context.signal)
          : ((await running.call('verify', {}, { signal: context.signal })) as VerifyReport)
      if (context.json) context.printJson(report)
      else printReport(context, report)
      if (report.damaged.length > 0) throw new FoundDamage()
    })
}

async function verify({ data }: RelayConfig, signal: AbortSignal): Promise<VerifyReport> {
  await checkIsRelay(data)
  const [{ createNodeCrypto }, { openRelayHome }, { verifyStores }] = await Promise.all([
    import('@peerfold/node/platform'),
    import('../../home.js'),
    import('../../verify.js'),
  ])
  await actAsOwner(data)
  const crypto = createNodeCrypto()
  try {
    const home = await openRelayHome(data, crypto, SILENT)
    return await verifyStores(home, { signal }).finally(() => home.close())
  } finally {
    await crypto.close()
  }
}

function printReport(context: CommandContext, { records, rows, blocks, damaged }: VerifyReport): void {
  context.print(`sound: ${records} records of the log, ${rows} rows of the index, ${blocks} blocks`)
  for (const { what, name, message } of damaged)
    context.print(`damaged: ${what} ${name}: ${printable(message)}`)
}
