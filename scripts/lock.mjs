import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Whether the process that wrote the lock still lives. @param {string} path */
function isHeld(path) {
  let owner
  try {
    owner = Number(readFileSync(path, 'utf8'))
  } catch {
    return false
  }
  // Between its creation and its first byte a lock is empty.
  if (!Number.isInteger(owner) || owner <= 0) return true
  try {
    process.kill(owner, 0)
    return true
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM'
  }
}

/** @param {string} path */
function tryLock(path) {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false
    throw error
  }
}

/**
 * Runs `work` while holding the lock file at `path`, so that `npm start` and `npm test` of one clone do not install over
 * each other. A lock whose process died is taken over.
 *
 * @param {string} path
 * @param {() => void | Promise<void>} work
 * @param {{ deadline?: number, pause?: number }} [options] milliseconds to wait at most (default ten minutes), and between looks
 */
export async function withLock(path, work, { deadline = 600_000, pause = 200 } = {}) {
  mkdirSync(dirname(path), { recursive: true })
  const end = performance.now() + deadline
  while (!tryLock(path)) {
    if (!isHeld(path)) rmSync(path, { force: true })
    else if (performance.now() > end)
      throw new Error(`Another process holds ${path}. If none runs, delete that file.`)
    else await sleep(pause)
  }
  try {
    await work()
  } finally {
    rmSync(path, { force: true })
  }
}
