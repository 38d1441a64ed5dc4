// Two devices of one person in one program: what one writes, the other reads. `npm start` here.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openPeerfold } from '@peerfold/node'

const directory = await mkdtemp(join(tmpdir(), 'two-devices-'))
const open = (name) =>
  openPeerfold({ home: join(directory, name), name, listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false })
const laptop = await open('laptop')
const phone = await open('phone')

const { phrase } = await laptop.identity.create()
console.log(`a new identity; its recovery phrase has ${phrase.split(' ').length} words`)
const notes = await laptop.workspaces.create('notes')
await notes.write('shopping.md', '- bread\n')

const invite = await laptop.devices.invite()
const [same] = await phone.devices.join(invite.ticket)
console.log(`the phone has joined and sees ${same.name}`)

const change = (async () => {
  for await (const { type, path } of same.watch('')) if (type === 'edit') return path
})()
await laptop.settled() // the phone has what the laptop had
console.log(`on the phone: ${await same.read('shopping.md').text()}`)
await notes.write('shopping.md', '- bread\n- tea\n')
const path = await change
await same.durable({ copies: 2, signal: AbortSignal.timeout(30_000) })
console.log(`changed on the laptop, on the phone: ${await same.read(path).text()}`)

await Promise.all([laptop.close(), phone.close()])
await rm(directory, { recursive: true })
