import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startAgain } from './pair.js'
import { describe, type Tour } from './tour.js'
import { runVerifier } from './verify.js'

const NOTE = 'papers/plan.md'

/** The devices are never on at the same time: what one wrote reaches the other through the relay alone. */
export async function whileAway(tour: Tour): Promise<string> {
  const { laptop, desktop, relays } = tour
  await desktop.stop()
  await write(tour, NOTE, '# Plan\n\nWritten while the desktop was off.\n')
  await write(tour, 'papers/for later.txt', 'and a new file\n')
  await laptop.settle()
  await laptop.stop()
  // Each relay is complete: of two, one is enough.
  const [killed] = relays.slice(1)
  await killed?.stop('SIGKILL')
  await startAgain(desktop, 'relay')
  await desktop.settle()
  return 'the desktop has what the laptop wrote, and both were never on together'
}

export async function withoutRelay(tour: Tour): Promise<string> {
  const { laptop, desktop, relays } = tour
  // Both have other addresses than before: they find each other through the relay, and need it no more.
  await startAgain(laptop)
  await Promise.all(relays.map((relay) => relay.stop()))
  await write(tour, NOTE, '# Plan\n\nNobody in the middle.\n')
  await laptop.settle()
  await desktop.settle()
  await Promise.all(relays.map((relay) => relay.start()))
  return 'the two devices went on directly'
}

/** Home and folder of the laptop are gone, the desktop is off: there is nothing but the phrase and the relay. */
export async function loseLaptop(tour: Tour): Promise<string> {
  const { laptop, desktop, relays, phrase } = tour
  const [relay] = relays
  await desktop.settle()
  await laptop.settle()
  await Promise.all([laptop.stop(), desktop.stop()])
  for (const lost of [laptop.home, laptop.folder]) await rm(lost, { recursive: true })
  await laptop.prepare()
  const args = ['--name', 'replacement', '--relay', String(relay?.address), '--folder', laptop.folder]
  await laptop.runWith(`${phrase}\n`, 'recover', ...args)
  await startAgain(laptop, 'relay')
  await laptop.settle()
  await startAgain(desktop)
  return 'a new laptop has everything, from the phrase and the relay'
}

/** A name and a content that nothing else contains: they lie on the devices, and nowhere in what the relay ever wrote. */
export async function searchRelay(tour: Tour): Promise<string> {
  const { laptop, desktop, relays } = tour
  const name = `canary-${randomBytes(8).toString('hex')}`
  const content = `content-${randomBytes(12).toString('hex')}`
  await write(tour, `papers/${name}.txt`, `${content}\n`)
  await laptop.settle()
  await desktop.settle()
  const found = async (directory: string) => await runVerifier('search', directory, name, content)
  const onDevice = await found(desktop.folder)
  for (const needle of [name, content])
    if (!onDevice.includes(needle)) throw new Error(`the search does not even find ${needle} on a device`)
  for (const { directory } of relays) {
    const atRelay = await found(directory)
    if (atRelay !== '') throw new Error(`the relay knows:\n${atRelay}`)
  }
  return 'neither the name nor the content of a file is in the data or the logs of the relay'
}

async function write(tour: Tour, path: string, text: string): Promise<void> {
  await writeFile(join(tour.laptop.folder, path), text)
  tour.expected[path] = await describe(tour.laptop, path)
}
