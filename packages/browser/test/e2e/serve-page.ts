import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Rolldown } from 'vite'

const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
}
const source = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url))

export interface ServedPage extends AsyncDisposable {
  url: string
}

/** Bundles a page with its workers, from the sources, and serves it on loopback. @param root directory with an `index.html` */
export async function servePage(root: URL): Promise<ServedPage> {
  const built = (await build({
    root: fileURLToPath(root),
    configFile: false,
    logLevel: 'warn',
    resolve: {
      alias: [
        { find: /^@peerfold\/core\/(\w+)$/, replacement: source('core/src/$1/index.ts') },
        { find: /^@peerfold\/(\w+)$/, replacement: source('$1/src/index.ts') },
      ],
    },
    worker: { format: 'es' },
    build: { write: false, target: 'es2023' },
  })) as Rolldown.RolldownOutput
  const files = new Map(
    built.output.map((file) => [`/${file.fileName}`, file.type === 'chunk' ? file.code : file.source]),
  )
  const server = createServer(({ url = '/' }, response) => {
    const path = url === '/' ? '/index.html' : url
    const file = files.get(path)
    response.writeHead(file === undefined ? 404 : 200, { 'content-type': TYPES[extname(path)] ?? '' })
    response.end(file)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
