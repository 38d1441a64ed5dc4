import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

async function exampleOf(title: string): Promise<string> {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8')
  const code = readme
    .split(`## ${title}\n`)[1]
    ?.split('\n## ')[0]
    ?.match(/```ts\n([\s\S]*?)```/)?.[1]
  if (code === undefined) throw new Error(`README.md has no example under "${title}"`)
  return code
}

/** What people read, by path: also the packages' READMEs, which npm shows. */
async function documents(): Promise<string[]> {
  const docs = (await readdir(join(ROOT, 'docs'), { recursive: true })).map((name) => join('docs', name))
  const packages = (await readdir(join(ROOT, 'packages'))).map((name) => join('packages', name, 'README.md'))
  const all = [
    'README.md',
    'CONTRIBUTING.md',
    ...docs,
    ...packages.filter((name) => existsSync(join(ROOT, name))),
  ]
  return all.filter((name) => name.endsWith('.md'))
}

/** A program's directory, with the packages installed. */
async function makeProject(code: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'peerfold-readme-'))
  await mkdir(join(directory, 'node_modules', '@peerfold'), { recursive: true })
  for (const name of ['core', 'node'])
    await symlink(join(ROOT, 'packages', name), join(directory, 'node_modules/@peerfold', name))
  await mkdir(join(directory, 'node_modules', '@types'))
  await symlink(join(ROOT, 'node_modules/@types/node'), join(directory, 'node_modules/@types/node'))
  await writeFile(join(directory, 'package.json'), '{"type":"module"}')
  await writeFile(join(directory, 'example.ts'), code)
  return directory
}

describe('the README', () => {
  test('has an example that type-checks and does what it says', async () => {
    const directory = await makeProject(await exampleOf('In an app'))
    try {
      const file = join(directory, 'example.ts')
      const options: ts.CompilerOptions = {
        strict: true,
        noUncheckedIndexedAccess: true,
        skipLibCheck: true,
        target: ts.ScriptTarget.ES2022,
        lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
        module: ts.ModuleKind.NodeNext,
        moduleResolution: ts.ModuleResolutionKind.NodeNext,
        types: ['node'],
        typeRoots: [join(directory, 'node_modules/@types')],
      }
      const program = ts.createProgram([file], options)
      const found = ts
        .getPreEmitDiagnostics(program)
        .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
      expect(found).toEqual([])
      program.emit()
      const child = spawn(process.execPath, ['example.js'], { cwd: directory })
      const output = { stdout: '', stderr: '' }
      for (const name of ['stdout', 'stderr'] as const)
        child[name].setEncoding('utf8').on('data', (text: string) => {
          output[name] += text
        })
      const [code] = await once(child, 'close')
      expect({ code, ...output }).toEqual({ code: 0, stdout: '# Today\n\n- say hello\n\n', stderr: '' })
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  }, 120_000)

  test('and the documents link to what is there', async () => {
    const files = await documents()
    expect(files).toEqual(
      expect.arrayContaining(['README.md', 'docs/PROTOCOL.md', 'packages/node/README.md']),
    )
    const broken: string[] = []
    for (const name of files) {
      const text = await readFile(join(ROOT, name), 'utf8')
      for (const [, link = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(link) || link.startsWith('#')) continue
        const target = resolve(ROOT, dirname(name), decodeURIComponent(link.replace(/#.*$/, '')))
        if (!existsSync(target)) broken.push(`${name}: ${link}`)
      }
    }
    expect(broken).toEqual([])
  })

  test('and PROTOCOL.md lists every part of the protocol', async () => {
    const index = await readFile(join(ROOT, 'docs/PROTOCOL.md'), 'utf8')
    const parts = (await readdir(join(ROOT, 'docs/protocol'))).filter((name) => name.endsWith('.md'))
    expect(parts.filter((name) => !index.includes(`(protocol/${name})`))).toEqual([])
  })
})
