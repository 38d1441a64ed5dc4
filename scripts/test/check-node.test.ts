import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { root } from '../bootstrap.mjs'

/** Runs the check in a process that claims another version. */
function checkAs(version: string) {
  const module = pathToFileURL(join(root, 'scripts', 'check-node.mjs')).href
  const program = `
    Object.defineProperty(process, 'versions', { value: { node: '${version}' } })
    await import('${module}')`
  return spawnSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' })
}

test.each(['18.20.0', '20.18.3'])('Node %s is refused, with what to do', (version) => {
  const { status, stderr } = checkAs(version)
  expect(status).toBe(1)
  expect(stderr).toContain(`Peerfold needs Node 20.19 or newer; this is ${version}.`)
})

test.each(['20.19.0', '22.0.0', '24.1.0'])('Node %s is welcome', (version) => {
  expect(checkAs(version).status).toBe(0)
})
