// Loaded into a device's process before anything else (`node --import`): ends it with SIGKILL at one of its own calls to the disk, so that
// kills hit every step of the work and not just those that take long.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { isMainThread } from 'node:worker_threads'

/**
 * What to count. `scan`: looking at the folder and reading it. `apply`: changing it, and Peerfold's own state in it. `store`: writing and flushing
 * open files, those of the logs among them.
 *
 * @typedef {{ folder: string, phase: 'scan' | 'apply' | 'store', call: number }} KillPoint
 */

const LOOKING = ['lstat', 'readdir', 'open']
const CHANGING = ['link', 'rename', 'unlink', 'mkdir', 'rmdir', 'symlink', 'open']
const STORING = ['write', 'sync', 'datasync']

/** What is found out about the disk when a folder is opened leaves these behind for a moment. */
const PROBE = /\.peerfold\/tmp\/[0-9a-f]{32}a/

/** @param {Record<string, any>} object @param {string[]} names @param {(name: string, args: unknown[]) => void} before */
function intercept(object, names, before) {
  for (const name of names) {
    const original = object[name]
    object[name] = function (/** @type {unknown[]} */ ...args) {
      before(name, args)
      return original.apply(this, args)
    }
  }
}

/** @param {KillPoint} point */
async function arm({ folder, phase, call }) {
  let calls = 0
  const count = () => {
    if (++calls >= call) process.kill(process.pid, 'SIGKILL')
  }
  if (phase === 'store') {
    const file = await fs.promises.open(new URL(import.meta.url), 'r')
    intercept(Object.getPrototypeOf(file), STORING, count)
    await file.close()
    return
  }
  intercept(fs.promises, phase === 'scan' ? LOOKING : CHANGING, (name, args) => {
    const path = String(args[0])
    if (!path.startsWith(folder) || PROBE.test(path)) return
    const isOwn = path.includes('.peerfold')
    const isCreating = args[1] === 'wx+'
    if (phase === 'scan' ? !isOwn && !isCreating : name !== 'open' || isCreating) count()
  })
  syncBuiltinESMExports()
}

if (isMainThread && process.env.PEERFOLD_KILL !== undefined) await arm(JSON.parse(process.env.PEERFOLD_KILL))
