import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { root } from '../bootstrap.mjs'

/** What each folder of core may import besides itself, `errors.ts` and the base folders. docs/ARCHITECTURE.md */
const MAY_IMPORT: Record<string, string[]> = {
  ports: [],
  encoding: [],
  async: [],
  crypto: [],
  content: [],
  stores: ['content'],
  access: [],
  net: [],
  platform: [],
  log: ['content', 'access'],
  tree: ['content', 'access', 'log'],
  merge: ['content', 'access', 'log', 'tree'],
  documents: ['content', 'access', 'log', 'tree', 'merge'],
  sync: ['content', 'access', 'log', 'tree'],
  exchange: ['content', 'access', 'log', 'tree'],
  relay: ['content', 'access', 'log', 'tree', 'sync', 'exchange'],
  workspace: ['content', 'access', 'log', 'tree', 'merge', 'documents', 'sync', 'exchange'],
  folder: ['content', 'access', 'log', 'tree', 'merge', 'documents', 'sync', 'exchange', 'workspace'],
}
/** Below all layers. */
const BASE = ['ports', 'encoding', 'async', 'crypto']
const FOLDERS = [...Object.keys(MAY_IMPORT), 'device', 'testing']

interface Finding {
  file: string
  rule: string
}

let copy: string
let findings: Finding[]

/** Files that break each rule once, or keep it, under the real configuration. */
const FILES: Record<string, string> = {
  'packages/core/src/content/node.ts': "import { readFile } from 'node:fs/promises'\nexport { readFile }\n",
  'packages/core/src/content/dom.ts': "export const f = () => { document.title = 'x' }\n",
  'packages/core/src/content/buffer.ts': 'export const f = () => Buffer.alloc(1)\n',
  'packages/core/src/content/timer.ts': 'export const f = () => setTimeout(() => {}, 1)\n',
  'packages/core/src/platform/timer.ts': 'export const f = () => setTimeout(() => {}, 1)\n',
  'packages/core/src/content/console.ts': "export const f = () => console.log('x')\n",
  'packages/core/src/content/index-user.ts': "export { f } from '../index.js'\n",
  'packages/core/src/content/self-user.ts': "export { f } from '@peerfold/core'\n",
  'packages/core/src/content/cycle-a.ts': "import { b } from './cycle-b.js'\nexport const a = () => b\n",
  'packages/core/src/content/cycle-b.ts': "import { a } from './cycle-a.js'\nexport const b = () => a\n",
  'packages/core/src/content/floating.ts':
    'async function f(): Promise<void> {}\nexport const g = () => { f() }\n',
  'packages/core/src/content/awaited.ts':
    'async function f(): Promise<void> {}\nexport const g = async () => { await f() }\n',
  'packages/node/src/deep.ts': "export { f } from '@peerfold/core/dist/content/seal.js'\n",
  'packages/node/src/other.ts': "export { f } from '@peerfold/browser'\n",
  'packages/browser/src/other.ts': "export { f } from '@peerfold/node'\n",
  'packages/browser/src/node.ts': "export { readFile } from 'node:fs/promises'\n",
}

for (const from of Object.keys(MAY_IMPORT))
  for (const to of FOLDERS)
    if (from !== to) FILES[`packages/core/src/${from}/uses-${to}.ts`] = `export { x } from '../${to}/y.js'\n`

function writeCopy() {
  cpSync(join(root, 'tsconfig.base.json'), join(copy, 'tsconfig.base.json'))
  const config = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8'))
  writeFileSync(join(copy, 'biome.json'), JSON.stringify({ ...config, vcs: { enabled: false } }))
  for (const [file, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(copy, file)), { recursive: true })
    writeFileSync(join(copy, file), text)
  }
}

function lint(): Finding[] {
  const biome = join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome')
  const args = [biome, 'lint', '--reporter=json', '--max-diagnostics=none']
  let output: string
  try {
    output = execFileSync(process.execPath, args, { cwd: copy, encoding: 'utf8', stdio: 'pipe' })
  } catch (error) {
    output = (error as { stdout: string }).stdout
  }
  const { diagnostics } = JSON.parse(output)
  return diagnostics.map((item: any) => ({
    file: (item.location.path.file ?? item.location.path).replaceAll('\\', '/'),
    rule: item.category,
  }))
}

const rulesFor = (file: string) =>
  findings.filter((finding) => finding.file.endsWith(file)).map((finding) => finding.rule)

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'peerfold-lint-'))
  writeCopy()
  findings = lint()
})

afterAll(() => rmSync(copy, { recursive: true, force: true }))

describe('the linter refuses', () => {
  test.each([
    ['packages/core/src/content/node.ts', 'lint/correctness/noNodejsModules'],
    ['packages/core/src/content/dom.ts', 'lint/style/noRestrictedGlobals'],
    ['packages/core/src/content/buffer.ts', 'lint/style/noRestrictedGlobals'],
    ['packages/core/src/content/timer.ts', 'lint/style/noRestrictedGlobals'],
    ['packages/core/src/content/console.ts', 'lint/suspicious/noConsole'],
    ['packages/core/src/content/index-user.ts', 'lint/style/noRestrictedImports'],
    ['packages/core/src/content/self-user.ts', 'lint/style/noRestrictedImports'],
    ['packages/core/src/content/cycle-a.ts', 'lint/suspicious/noImportCycles'],
    ['packages/core/src/content/floating.ts', 'lint/nursery/noFloatingPromises'],
    ['packages/node/src/deep.ts', 'lint/style/noRestrictedImports'],
    ['packages/node/src/other.ts', 'lint/style/noRestrictedImports'],
    ['packages/browser/src/other.ts', 'lint/style/noRestrictedImports'],
    ['packages/browser/src/node.ts', 'lint/correctness/noNodejsModules'],
  ])('%s', (file, rule) => expect(rulesFor(file)).toContain(rule))
})

describe('the linter accepts', () => {
  test.each(['packages/core/src/content/awaited.ts', 'packages/core/src/platform/timer.ts'])('%s', (file) =>
    expect(rulesFor(file)).toEqual([]),
  )
})

describe.each(Object.entries(MAY_IMPORT))('core/%s', (from, allowed) => {
  test.each(FOLDERS.filter((to) => to !== from && !(BASE.includes(from) && BASE.includes(to))))(
    'and core/%s',
    (to) => {
      const refused = rulesFor(`packages/core/src/${from}/uses-${to}.ts`).includes(
        'lint/style/noRestrictedImports',
      )
      expect(refused).toBe(!allowed.includes(to) && !BASE.includes(to))
    },
  )
})
