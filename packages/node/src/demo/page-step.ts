import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DemoDevice } from './device.js'
import { describe, type Tour } from './tour.js'

/** Looks at the drive in a Chromium, as a person would. */
const VISITOR = fileURLToPath(new URL('../../../../examples/drive/scripts/visit.mjs', import.meta.url))

/** What the visitor saw. */
interface Visit {
  names: string[]
  complaints: string[]
}

/** One click on an invitation: the page shows what is in the folders, and what is added there comes into them. */
export async function openInBrowser(tour: Tour): Promise<string> {
  const { laptop, desktop, drive, expected } = tour
  const name = 'from a browser.txt'
  const upload = join(dirname(laptop.home), name)
  await writeFile(upload, 'Written nowhere but in a browser.\n')
  const { names, complaints } = await visit(drive.joinUrl(await ticketOf(laptop)), upload)
  const missing = topLevel(Object.keys(expected)).filter((each) => !names.includes(each))
  if (missing.length > 0) throw new Error(`the page does not show ${missing.join(', ')}`)
  if (complaints.length > 0) throw new Error(`the page complains: ${complaints.join('; ')}`)
  await laptop.settle()
  await desktop.settle()
  expected[name] = await describe(laptop, name)
  return `the page shows ${names.length} items, and what it added is in both folders`
}

/** The visitor uses it up. */
function ticketOf(device: DemoDevice): Promise<string> {
  return new Promise((resolve, reject) => {
    device
      .runWatched(({ ticket }) => {
        if (typeof ticket === 'string') resolve(ticket)
      }, 'invite')
      .then(() => reject(new Error(`${device.name} gave no ticket`)), reject)
  })
}

async function visit(url: string, upload: string): Promise<Visit> {
  const child = spawn(process.execPath, [VISITOR, url, upload], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [output, errors] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-10_000)
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`the visit of ${basename(VISITOR)} failed: ${errors.trim()}`)
  return JSON.parse(output) as Visit
}

/** Names in the root, as the page shows it first. */
function topLevel(paths: readonly string[]): string[] {
  return [...new Set(paths.map((path) => path.split('/')[0] as string))]
}
