import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'

const USUAL_PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  'C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe',
]

const ADVICE =
  'The tests of @peerfold/browser need a Chromium. Install one (Debian: apt-get install chromium; anywhere: ' +
  'npx playwright install chromium), or name one with PEERFOLD_CHROMIUM=/path/to/chromium.'

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Where Playwright keeps a browser of its own, if it was installed. */
async function playwrightsOwn() {
  const { chromium } = await import('playwright')
  return chromium.executablePath()
}

/**
 * A Chromium on this machine: the one named by PEERFOLD_CHROMIUM, else the first in the usual places, else Playwright's.
 *
 * @param {{ env?: Record<string, string | undefined>, places?: string[], fallback?: () => Promise<string> }} [init]
 * @returns {Promise<string | undefined>}
 */
export async function findChromium({
  env = process.env,
  places = USUAL_PLACES,
  fallback = playwrightsOwn,
} = {}) {
  const named = env.PEERFOLD_CHROMIUM
  if (named) {
    if (isExecutable(named)) return named
    throw new Error(`PEERFOLD_CHROMIUM names ${named}, which is not a program that can be run.`)
  }
  const found = places.find(isExecutable)
  if (found) return found
  const own = await fallback()
  return own && isExecutable(own) ? own : undefined
}

/**
 * Debian's package, where this process may install it.
 *
 * @param {{ env: Record<string, string | undefined>, platform: string, user: number | undefined }} on
 */
function installFromDebian({ env, platform, user }) {
  if (platform !== 'linux' || user !== 0) return
  /** @param {string[]} args */
  const aptGet = (...args) =>
    spawnSync('apt-get', args, {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...env, DEBIAN_FRONTEND: 'noninteractive' },
    })
  if (aptGet('--version').status !== 0) return
  console.log('installing chromium…')
  aptGet('update', '-qq')
  aptGet('install', '-y', '-qq', 'chromium')
}

/**
 * A Chromium, installed when that is possible; throws with advice when there is none.
 *
 * @param {Parameters<typeof findChromium>[0] & { platform?: string, user?: number }} [init]
 * @returns {Promise<string>}
 */
export async function needChromium({
  env = process.env,
  platform = process.platform,
  user = process.getuid?.(),
  ...where
} = {}) {
  const found = await findChromium({ env, ...where })
  if (found) return found
  installFromDebian({ env, platform, user })
  const installed = await findChromium({ env, ...where })
  if (installed) return installed
  throw new Error(ADVICE)
}
