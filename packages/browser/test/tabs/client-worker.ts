import { dialDevice } from '../../src/tabs/dial.js'
import { connectPeerfold } from '../remote/connect.js'

/** A client that can be killed: begins a transaction and never ends it. */
addEventListener('message', async ({ data: { home, workspace } }) => {
  const { channel } = await dialDevice(home)
  const client = await connectPeerfold(channel)
  const notes = await client.workspaces.open(workspace)
  await notes.transact(async (tx) => {
    await tx.write('begun', 'begun')
    postMessage('begun')
    await new Promise(() => {})
  })
})
