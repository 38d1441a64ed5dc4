// Serves the built drive: `node serve.mjs [port]`, on loopback. Prints one line of JSON with its URL.
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import sirv from 'sirv'

const dist = fileURLToPath(new URL('dist/', import.meta.url))
if (!existsSync(`${dist}index.html`)) {
  console.error('The drive is not built yet: npm run build.')
  process.exit(1)
}

/** What has a hash in its name never changes; everything else is asked for each time. */
const files = sirv(dist, {
  single: true,
  setHeaders: (response, path) => {
    const immutable = path.startsWith('/assets/')
    response.setHeader('Cache-Control', immutable ? 'public, max-age=31536000, immutable' : 'no-cache')
    response.setHeader('X-Content-Type-Options', 'nosniff')
    response.setHeader('Referrer-Policy', 'no-referrer')
  },
})

const server = createServer((request, response) =>
  files(request, response, () => response.writeHead(404).end()),
)
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  console.log(JSON.stringify({ type: 'ready', url: `http://localhost:${port}/` }))
})
