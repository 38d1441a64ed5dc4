import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

/** The names that a program may use at run time according to the types. @param {string} specifier @param {string} directory */
function declaredNames(specifier, directory) {
  const file = join(directory, 'names.mts')
  writeFileSync(file, `import * as names from '${specifier}'\nexport default names\n`)
  const program = ts.createProgram([file], {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts', 'lib.dom.asynciterable.d.ts'],
    types: [],
    skipLibCheck: true,
    noEmit: true,
  })
  const source = program.getSourceFile(file)
  const [problem] = program.getSemanticDiagnostics(source)
  if (!source || problem)
    throw new Error(ts.flattenDiagnosticMessageText(problem?.messageText ?? 'no source', '\n'))
  const checker = program.getTypeChecker()
  const [declaration] = source.statements
  if (!declaration || !ts.isImportDeclaration(declaration)) throw new Error('no import')
  const bindings = declaration.importClause?.namedBindings
  if (!bindings || !ts.isNamespaceImport(bindings)) throw new Error('no names')
  return checker.getPropertiesOfType(checker.getTypeAtLocation(bindings.name)).map((symbol) => symbol.name)
}

/** The names that a program finds. @param {string} specifier @param {string} directory */
function actualNames(specifier, directory) {
  const program = `console.log(JSON.stringify(Object.keys(await import('${specifier}'))))`
  const args = ['--input-type=module', '--eval', program]
  // The deadline also tells when an import leaves something running.
  const options = /** @type {const} */ ({ cwd: directory, encoding: 'utf8', stdio: 'pipe', timeout: 30_000 })
  return /** @type {string[]} */ (JSON.parse(execFileSync(process.execPath, args, options)))
}

/** @param {string} specifier @param {string} directory */
function differences(specifier, directory) {
  const declared = declaredNames(specifier, directory).sort()
  const actual = actualNames(specifier, directory).sort()
  if (actual.length === 0) return [`${specifier} exports nothing`]
  return [
    ...declared
      .filter((name) => !actual.includes(name))
      .map((name) => `${specifier} declares ${name}, which it lacks`),
    ...actual
      .filter((name) => !declared.includes(name))
      .map((name) => `${specifier} has ${name}, undeclared`),
  ]
}

/**
 * Imports each entry of an installed package's `exports` and compares what is there with what its types declare.
 *
 * @param {import('./packages.mjs').Manifest} manifest
 * @param {string} directory where the package lies in `node_modules`
 * @returns {import('./packages.mjs').Item[]}
 */
export function compareExports(manifest, directory) {
  return Object.keys(manifest.exports).map((entry) => {
    const specifier = join(manifest.name, entry).replaceAll('\\', '/')
    try {
      return { name: specifier, problems: differences(specifier, directory) }
    } catch (error) {
      return { name: specifier, problems: [`${specifier}: ${/** @type {Error} */ (error).message}`] }
    }
  })
}
