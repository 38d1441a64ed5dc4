import QRCode from 'qrcode'
import type { OperationEvent } from '../service/operation.js'
import type { CommandContext } from './context.js'

type TicketEvent = Extract<OperationEvent, { type: 'ticket' }>

/** A ticket as a line to paste, a URL to open and a QR code to scan. */
export async function printTicket(
  context: CommandContext,
  { ticket, url, expires }: TicketEvent,
): Promise<void> {
  if (context.json) {
    context.printJson({ ticket, url, expires })
    return
  }
  context.print('On the other device run:')
  context.print('')
  context.print(`  peerfold join ${ticket} --folder FOLDER`)
  context.print('')
  context.print(`or open ${url}`)
  if (process.stdout.isTTY) context.print(await QRCode.toString(url, { type: 'terminal', small: true }))
  context.print(`The ticket works once, until ${new Date(expires).toLocaleTimeString()}.`)
}
