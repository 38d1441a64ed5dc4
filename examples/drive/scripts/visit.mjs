// Visits the drive as a person would, in a Chromium without a window: `node visit.mjs URL UPLOAD`. Opens the link, joins, uploads the file UPLOAD, and
// prints as JSON what the folder shows, and what the page itself complained of.
import { basename } from 'node:path'
import { chromium } from 'playwright'
import { findChromium } from '../../../scripts/chromium.mjs'

const [url, upload] = process.argv.slice(2)
if (url === undefined || upload === undefined)
  throw new Error('Say which link to open, and which file to upload.')
const executablePath = await findChromium()
if (executablePath === undefined)
  throw new Error(
    'There is no Chromium to look at the drive with. Install one (Debian: apt-get install chromium; anywhere: npx playwright install chromium), or name one with PEERFOLD_CHROMIUM=/path/to/chromium.',
  )
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic'],
})
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 2000 } })
  page.setDefaultTimeout(120_000)
  /** @type {string[]} */
  const complaints = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  await page.goto(url)
  await page.getByRole('button', { name: 'Join' }).click()
  const folder = page.getByRole('grid', { name: 'Content of' })
  await folder.getByRole('row').first().waitFor()
  await page.getByTestId('upload-files').setInputFiles([upload])
  await folder.getByRole('row', { name: basename(upload) }).waitFor()
  // Somebody else holds it: the page may go.
  await page.getByTestId('status').first().filter({ hasText: 'In sync' }).waitFor()
  const names = await folder
    .getByRole('row')
    .evaluateAll((rows) => rows.map((row) => row.getAttribute('aria-label')))
  process.stdout.write(`${JSON.stringify({ names, complaints })}\n`)
} finally {
  await browser.close()
}
