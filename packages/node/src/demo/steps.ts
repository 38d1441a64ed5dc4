import { createHash } from 'node:crypto'
import { cp, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DemoDevice } from './device.js'
import { openInBrowser } from './page-step.js'
import { startAgain } from './pair.js'
import { loseLaptop, searchRelay, whileAway, withoutRelay } from './relay-steps.js'
import { describe, type Step, type Tour } from './tour.js'
import { type Listing, walk } from './verifier.js'

const NOTE = 'notes/plan.md'

/** The scripted tour. Each step leaves `tour.expected` at what both folders must hold after it. */
export const STEPS: Step[] = [
  { title: 'first sync of a source tree', run: firstSync },
  { title: 'edit of a file', run: edit },
  { title: 'rename of a folder', run: renameFolder },
  { title: 'concurrent edits of one file', run: editBothSides },
  { title: 'restore of an old version', run: restoreOldVersion },
  { title: 'a change for a device that is away', run: whileAway },
  { title: 'the relay away', run: withoutRelay },
  { title: 'a lost laptop recovered', run: loseLaptop },
  { title: 'a search of what the relay keeps', run: searchRelay },
  { title: 'the same files in a browser', run: openInBrowser },
]

async function firstSync(tour: Tour): Promise<string> {
  const { laptop, desktop } = tour
  await cp(tour.sources, laptop.folder, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
  await mkdir(join(laptop.folder, 'notes'), { recursive: true })
  await writeFile(join(laptop.folder, NOTE), '# Plan\n')
  await mkdir(join(laptop.folder, 'an empty folder'), { recursive: true })
  tour.expected = await walk(laptop.folder)
  const started = performance.now()
  await laptop.settle()
  await desktop.settle()
  const files = Object.values(tour.expected).filter(({ type }) => type === 'file').length
  return `${files} files in ${seconds(started)}`
}

async function edit(tour: Tour): Promise<string> {
  const { desktop, laptop } = tour
  await writeAndExpect(tour, desktop, '# Plan\n\n1. Try Peerfold.\n')
  const started = performance.now()
  await desktop.settle()
  await laptop.settle()
  return `written on ${desktop.name}, on ${laptop.name} after ${seconds(started)}`
}

async function renameFolder(tour: Tour): Promise<string> {
  const { laptop, desktop } = tour
  await rename(join(laptop.folder, 'notes'), join(laptop.folder, 'papers'))
  tour.expected = Object.fromEntries(
    Object.entries(tour.expected).map(([path, found]) => [path.replace(/^notes(?=\/|$)/, 'papers'), found]),
  )
  await laptop.settle()
  await desktop.settle()
  return 'notes is papers on both'
}

/** Two people edit while apart. One text shows, the other stays as a version, and neither is lost. */
async function editBothSides(tour: Tour): Promise<string> {
  const { laptop, desktop } = tour
  const path = NOTE.replace('notes', 'papers')
  await desktop.stop()
  const texts = { laptop: '# Plan\n\nLaptop was here.\n', desktop: '# Plan\n\nDesktop was here.\n' }
  await writeFile(join(laptop.folder, path), texts.laptop)
  await writeFile(join(desktop.folder, path), texts.desktop)
  await startAgain(desktop)
  await desktop.settle()
  await laptop.settle()
  await desktop.settle()
  const kept = await currentTexts(laptop, path)
  for (const text of Object.values(texts)) {
    if (!kept.includes(text)) throw new Error(`lost: ${JSON.stringify(text)}`)
  }
  tour.expected = await expectConflict(tour, path, Object.values(texts))
  return 'both texts are kept'
}

/** The texts of all versions that the conflict names. */
async function currentTexts(device: DemoDevice, path: string): Promise<string[]> {
  const conflicts = (await device.run('conflicts')) as unknown as Array<{
    path: string
    versions: Array<{ id: string }>
  }>
  const conflict = conflicts.find((found) => found.path === path)
  if (conflict === undefined) throw new Error(`no conflict is shown at ${path}`)
  return await Promise.all(
    conflict.versions.map(async ({ id }) =>
      (await device.runRaw('cat', path, '--version-id', id)).toString('utf8'),
    ),
  )
}

/** Which text shows is the devices' choice; that it is one of the two, and the same one everywhere, is not. */
async function expectConflict(tour: Tour, path: string, texts: string[]): Promise<Listing> {
  const shown = await readFile(join(tour.laptop.folder, path), 'utf8')
  if (!texts.includes(shown)) throw new Error(`${path} holds neither text`)
  return {
    ...tour.expected,
    ...(await conflictCopies(tour, path, texts)),
    [path]: await describe(tour.laptop, path),
  }
}

/** Copies of the other text that the folder shows beside the file, if any. */
async function conflictCopies(tour: Tour, path: string, texts: string[]): Promise<Listing> {
  const found = await walk(tour.laptop.folder)
  const hashes = texts.map((text) => createHash('sha256').update(text).digest('hex'))
  return Object.fromEntries(
    Object.entries(found).filter(
      ([name, { sha256 }]) => name !== path && !(name in tour.expected) && hashes.includes(sha256 ?? ''),
    ),
  )
}

async function restoreOldVersion(tour: Tour): Promise<string> {
  const { laptop, desktop } = tour
  const path = NOTE.replace('notes', 'papers')
  const versions = (await desktop.run('versions', path)) as unknown as Array<{ id: string }>
  const oldest = versions.at(-1)
  if (oldest === undefined) throw new Error(`no versions of ${path}`)
  await desktop.run('restore', path, oldest.id)
  await desktop.settle()
  await laptop.settle()
  const text = await readFile(join(laptop.folder, path), 'utf8')
  if (text !== '# Plan\n') throw new Error(`restored to ${JSON.stringify(text)}`)
  for (const name of Object.keys(tour.expected)) if (name.includes('(conflict')) delete tour.expected[name]
  tour.expected[path] = await describe(laptop, path)
  return `the first of ${versions.length} versions is back on both`
}

async function writeAndExpect(tour: Tour, device: DemoDevice, text: string): Promise<void> {
  await writeFile(join(device.folder, NOTE), text)
  tour.expected[NOTE] = await describe(device, NOTE)
}

/** Spoils one file of one folder, as a proof that the verifier would see it. */
export async function sabotage(tour: Tour): Promise<string> {
  const path = Object.keys(tour.expected).find((name) => tour.expected[name]?.type === 'file') as string
  const file = join(tour.desktop.folder, path)
  const { mtime } = await stat(file)
  await rm(file)
  await writeFile(file, 'sabotaged\n')
  return `${path} (of ${mtime.toISOString()}) on ${tour.desktop.name}`
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`
}
