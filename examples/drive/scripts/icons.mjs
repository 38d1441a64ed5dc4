// Draws the PNG icons of the app from public/icon.svg: `node scripts/icons.mjs`, after the drawing was changed.
import { readFileSync, writeFileSync } from 'node:fs'
import { chromium } from 'playwright'
import { findChromium } from '../../../scripts/chromium.mjs'

const publicFile = (/** @type {string} */ name) => new URL(`../public/${name}`, import.meta.url)
const drawing = readFileSync(publicFile('icon.svg'), 'utf8')

/** Systems cut what they want from a maskable icon: the ground goes to the edges. */
const maskable = drawing.replace(' rx="112"', '')

const ICONS = /** @type {const} */ ([
  ['icon-192.png', drawing, 192],
  ['icon-512.png', drawing, 512],
  ['icon-maskable-512.png', maskable, 512],
])

const browser = await chromium.launch({ executablePath: await findChromium(), args: ['--no-sandbox'] })
for (const [name, svg, size] of ICONS) {
  const page = await browser.newPage({ viewport: { width: size, height: size } })
  await page.setContent(`<style>body{margin:0}svg{display:block;width:100vw;height:100vh}</style>${svg}`)
  writeFileSync(publicFile(name), await page.screenshot({ omitBackground: true }))
  await page.close()
}
await browser.close()
