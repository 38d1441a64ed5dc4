/** Names and paths, as `@peerfold/core` takes them: `/`-separated, without a leading slash; '' is the root. */

export function joinPath(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`
}

export function parentPath(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash === -1 ? '' : path.slice(0, slash)
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Whether `path` is `folder` or lies below it. */
export function isWithin(path: string, folder: string): boolean {
  return folder === '' || path === folder || path.startsWith(`${folder}/`)
}

/** Stem and extension with its dot; what begins with a dot has none. */
export function splitExtension(name: string): [stem: string, extension: string] {
  const dot = name.lastIndexOf('.')
  return dot <= 0 ? [name, ''] : [name.slice(0, dot), name.slice(dot)]
}

const TAIL = 10

/** A name in two parts, of which the first may be cut when there is no room: the end of a long name tells most. */
export function splitForDisplay(name: string): [head: string, tail: string] {
  const letters = [...name]
  if (letters.length <= TAIL * 2) return [name, '']
  return [letters.slice(0, -TAIL).join(''), letters.slice(-TAIL).join('')]
}

/** `name`, or the first of `name (2)`, `name (3)`, … that is free. */
export function freeName(name: string, taken: ReadonlySet<string>): string {
  if (!taken.has(name)) return name
  const [stem, extension] = splitExtension(name)
  for (let number = 2; ; number++) {
    const candidate = `${stem} (${number})${extension}`
    if (!taken.has(candidate)) return candidate
  }
}

const MAX_NAME_BYTES = 1020

/** Why a name cannot be used; undefined when it can. */
export function nameProblem(name: string, taken: ReadonlySet<string>): string | undefined {
  if (name === '') return 'A name is needed.'
  if (name === '.' || name === '..') return `“${name}” means a folder itself; choose another name.`
  if (/[/\0]/.test(name)) return 'A name cannot have “/” in it.'
  if (new TextEncoder().encode(name).length > MAX_NAME_BYTES) return 'The name is too long.'
  if (taken.has(name)) return 'There is something of this name already.'
  return undefined
}
