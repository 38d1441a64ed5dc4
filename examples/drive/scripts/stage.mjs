import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { openPeerfold } from '@peerfold/node'
import { createRelay } from '@peerfold/relay'
import { drawClip, drawPicture } from './drawings.mjs'

/** @import { Page } from 'playwright' */
/** @import { Peerfold, Workspace } from '@peerfold/node' */

const LETTER = 'Documents/Letter to the landlord.txt'
const DOOR = 'Documents/Front door.jpg'
const INVITATION = 'Documents/Invitation.txt'
const LISTEN = ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws']

/** @param {string} home @param {string} name @param {boolean} [offline] */
const open = (home, name, offline = false) =>
  openPeerfold({ home, name, listen: LISTEN, mdns: false, offline })

/**
 * What the pictures show: two devices with files, and the built drive, served.
 *
 * @param {Page} studio a page in which pictures for the files are drawn
 */
export async function openStage(studio) {
  const directory = await mkdtemp(join(tmpdir(), 'drive-screenshots-'))
  const homes = /** @type {const} */ ([join(directory, 'laptop'), join(directory, 'desktop')])
  const relay = await createRelay({ directory: join(directory, 'relay'), listen: LISTEN, open: true })
  const address = relay.addresses().find((each) => each.includes('/ws/')) ?? ''
  await prepare(homes, address, studio)
  const laptop = await open(homes[0], 'Laptop')
  const desktop = await open(homes[1], 'Desktop in the study')
  // Only now do the two learn what the other did.
  await met(laptop)
  await laptop.settled({ signal: AbortSignal.timeout(60_000) })
  const drive = await serve()
  return {
    laptop,
    url: drive.url,
    /** The folder into which the last one uploaded is empty again, and what the last one restored is deleted. */
    async reset() {
      const home = await laptop.workspaces.open('Home')
      await home.transact(async (tx) => {
        await tx.remove('Plans for the garden')
        await tx.mkdir('Plans for the garden')
        await tx.write(INVITATION, 'Dear all, …\n')
      })
      await home.remove(INVITATION)
      await home.close()
    },
    async close() {
      drive.stop()
      await laptop.close()
      await desktop.close()
      await relay.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Waits until the other device is connected. @param {Peerfold} device */
function met(device) {
  return new Promise((resolve) => {
    const stop = device.status.subscribe(({ peers }) => {
      if (!peers.some(({ kind, connected }) => kind === 'device' && connected)) return
      queueMicrotask(() => stop())
      resolve(undefined)
    })
  })
}

/** @param {readonly [string, string]} homes @param {string} relay its address @param {Page} studio */
async function prepare([first, second], relay, studio) {
  const laptop = await open(first, 'Laptop')
  const desktop = await open(second, 'Desktop in the study')
  await laptop.identity.create()
  await laptop.relays.add(relay)
  const invite = await laptop.devices.invite()
  await desktop.devices.join(invite.ticket)
  const home = await laptop.workspaces.create('Home')
  await laptop.workspaces.create('Photographs of the whole family, 1961 to today')
  await fill(home, studio)
  await laptop.settled({ signal: AbortSignal.timeout(60_000) })
  await laptop.close()
  await desktop.close()
  await editApart(first, 'Laptop', {
    [LETTER]: 'Dear Ms Weber,\n\nthe heating works again. Thank you!\n',
    [DOOR]: await drawPicture(studio, 60),
  })
  await editApart(second, 'Desktop in the study', {
    [LETTER]: 'Dear Ms Weber,\n\nthe heating is still cold, since Monday.\n',
    [DOOR]: await drawPicture(studio, 200),
  })
}

/** Edits of a device that nobody else sees. @param {string} home @param {string} name @param {Record<string, string | Uint8Array>} edits */
async function editApart(home, name, edits) {
  const device = await open(home, name, true)
  const workspace = await device.workspaces.open('Home')
  for (const [path, content] of Object.entries(edits)) await workspace.write(path, content)
  await device.close()
}

/** @param {Workspace} home @param {Page} studio */
async function fill(home, studio) {
  for (const folder of ['Documents', 'Music', 'Recipes', 'Plans for the garden']) await home.mkdir(folder)
  for (let i = 0; i < 13; i++)
    await home.write(`Photos/IMG_${2040 + i}.jpg`, await drawPicture(studio, i * 27))
  await home.write(
    'Photos/Panorama of the whole valley at sunrise, taken from the old bridge near the station.jpg',
    await drawPicture(studio, 20, 1600, 500),
  )
  await home.write('Photos/Waves.webm', await drawClip(studio))
  for (const text of ['the heating is cold.', 'the heating is cold, since Monday.']) {
    await home.write(LETTER, `Dear Ms Weber,\n\n${text}\n`)
  }
  await home.write(DOOR, await drawPicture(studio, 130))
  await home.write('Documents/Contract.pdf', new Uint8Array(840_000))
  await home.write('Music/Morning.mp3', new Uint8Array(5_200_000))
  await home.write(
    'Budget 2026.csv',
    'month,income,rent\nJanuary,2450,890\nFebruary,2450,890\nMarch,2610,890\n',
  )
  await home.write('Holiday packing list.md', '# Holiday\n\n- passports\n- swimming things\n- a good book\n')
  await home.write(
    'Tax return 2025 – final version (signed, scanned, really the last one) v7.pdf',
    new Uint8Array(340_000),
  )
  await home.write('website backup.tar.gz', new Uint8Array(24_000_000))
  await discard(home)
}

/** What is among the deleted files. @param {Workspace} home */
async function discard(home) {
  for (let i = 0; i < 6; i++)
    await home.write(`Photos/Blurred/IMG_${1996 + i}.jpg`, new Uint8Array(90_000 + i))
  await home.write('Old budget.csv', 'month,income\n')
  await home.write(
    'Recipes/Soups of the summer of 1998, as our grandmother wrote them down/Cold cucumber soup (do not make again).md',
    '# Soup\n',
  )
  for (const path of [
    'Photos/Blurred',
    'Old budget.csv',
    'Recipes/Soups of the summer of 1998, as our grandmother wrote them down',
  ])
    await home.remove(path)
}

async function serve() {
  const server = spawn(process.execPath, [fileURLToPath(new URL('../serve.mjs', import.meta.url))], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface({ input: server.stdout })) {
    return { url: /** @type {string} */ (JSON.parse(line).url), stop: () => server.kill() }
  }
  throw new Error('the drive is not served')
}
