import { connectControl } from '../../src/service/control-client.js'
import { controlPath } from '../../src/service/control-path.js'
import type { OperationEvent } from '../../src/service/operation.js'

/** Asks a running device, as the command line does, without a process for each question. */
export async function ask(
  home: string,
  operation: string,
  params: Record<string, unknown> = {},
): Promise<unknown> {
  return await (await connect(home)).call(operation, params)
}

/** What an operation lists. */
export async function rows<T>(
  home: string,
  operation: string,
  params: Record<string, unknown>,
): Promise<T[]> {
  const found: T[] = []
  const emit = (event: OperationEvent) => {
    if (event.type === 'row') found.push(event.row as T)
  }
  await (await connect(home)).call(operation, params, { emit })
  return found
}

/** A file's text, of a past version if one is named. */
export async function read(home: string, path: string, version?: string): Promise<string> {
  const pieces: Uint8Array[] = []
  const write = async (bytes: Uint8Array) => void pieces.push(bytes)
  const caller = await connect(home)
  await caller.call('cat', version === undefined ? { path } : { path, version }, { write })
  return Buffer.concat(pieces).toString('utf8')
}

async function connect(home: string) {
  const caller = await connectControl(controlPath(home))
  if (caller === undefined) throw new Error(`no device runs in ${home}`)
  return caller
}
