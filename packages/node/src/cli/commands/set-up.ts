import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import type { CommandContext } from '../context.js'
import { parsePath } from '../parse-path.js'
import { printable } from '../printable.js'

/** `init`, `recover`, `add`: what makes a device and its workspaces. */
export function addSetUpCommands(program: Command, context: CommandContext): void {
  program
    .command('init')
    .description('makes this the first of your devices; shows the recovery phrase once')
    .option('--name <name>', 'name of this device')
    .action(async ({ name }: { name?: string }) => {
      const result = await context.call('init', { name })
      printPhrase(context, result as SetUpResult)
    })
  program
    .command('recover')
    .description('makes this a device of yours, from the recovery phrase on standard input')
    .option('--name <name>', 'name of this device')
    .option('--relay <multiaddr>', 'a relay that the lost devices used: workspaces come from there')
    .option('--folder <folder>', 'where the files of its workspaces are to lie', parsePath)
    .action(async ({ name, relay, folder }: { name?: string; relay?: string; folder?: string }) => {
      const phrase = await readPhrase()
      const result = (await context.call('recover', { phrase, name, relay, folder })) as RecoverResult
      if (context.json) context.printJson(result)
      else printRecovered(context, result)
    })
  program
    .command('add')
    .argument('<folder>', 'what to sync', parsePath)
    .description('makes a workspace from a folder, and reads all that is in it')
    .option('--name <name>', "name of the workspace; default: the folder's")
    .action(async (folder: string, { name }: { name?: string }) => {
      const result = (await context.call('add', { folder, name, wait: true })) as {
        id: string
        name: string
        folder: string
      }
      if (context.json) context.printJson(result)
      else
        context.print(
          `${printable(result.folder)} is workspace ${printable(result.name)} (${result.id.slice(0, 12)}). \`peerfold start\` keeps it in sync.`,
        )
    })
}

export interface SetUpResult {
  device: { id: string; name: string; user: string }
  phrase?: string
}

interface RecoverResult extends SetUpResult {
  workspaces: Array<{ id: string; name: string; folder?: string }>
}

function printRecovered(context: CommandContext, { device, workspaces }: RecoverResult): void {
  context.print(`This device is now ${printable(device.name)}.`)
  if (workspaces.length === 0)
    context.print('Run `peerfold invite` on another of your devices and `peerfold join TICKET` here.')
  for (const { id, name, folder } of workspaces) {
    const where =
      folder === undefined
        ? '`peerfold export DIR` writes its files'
        : `\`peerfold start\` fills ${printable(folder)}`
    context.print(`${printable(name)} (${id.slice(0, 12)}): ${where}`)
  }
}

/** The only time that the phrase is shown. */
export function printPhrase(context: CommandContext, result: SetUpResult): void {
  if (context.json) {
    context.printJson(result)
    return
  }
  context.print(`This device is ${printable(result.device.name)}.`)
  if (result.phrase === undefined) return
  context.print('')
  context.print(
    'Your recovery phrase. Write it down now: it is shown once, and whoever has it has your files.',
  )
  context.print('')
  const words = result.phrase.split(' ')
  for (let row = 0; row < words.length; row += 6)
    context.print(
      `  ${words
        .slice(row, row + 6)
        .map((word, i) => `${String(row + i + 1).padStart(2)} ${word.padEnd(9)}`)
        .join(' ')}`,
    )
  context.print('')
}

async function readPhrase(): Promise<string> {
  if (process.stdin.isTTY) {
    const prompt = createInterface({ input: process.stdin, output: process.stderr })
    try {
      return await prompt.question('Recovery phrase (24 words): ')
    } finally {
      prompt.close()
    }
  }
  const pieces: Buffer[] = []
  for await (const piece of process.stdin) pieces.push(piece as Buffer)
  return Buffer.concat(pieces).toString('utf8')
}
