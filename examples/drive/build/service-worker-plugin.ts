import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { build, type Plugin, type ResolvedConfig } from 'vite'

const SOURCE = 'src/service-worker.ts'
const URL_PATH = '/service-worker.js'

/**
 * Builds the service worker after the page, as one classic script beside `index.html`, and tells it which files the page consists of. The list
 * is part of the script, so that a new build is a new service worker.
 */
export function serviceWorker(): Plugin {
  let config: ResolvedConfig
  return {
    name: 'drive:service-worker',
    configResolved(resolved) {
      config = resolved
    },
    configureServer(server) {
      server.middlewares.use((request, _, next) => {
        if (request.url?.split('?')[0] === URL_PATH) request.url = `/${SOURCE}`
        next()
      })
    },
    async writeBundle(_, bundle) {
      const published = readdirSync(config.publicDir)
      const assets = [...Object.keys(bundle), ...published].filter((name) => !name.endsWith('.map')).sort()
      const hash = createHash('sha256').update(JSON.stringify(assets))
      for (const output of Object.values(bundle)) {
        hash.update(output.type === 'chunk' ? output.code : output.source)
      }
      await build({
        configFile: false,
        root: config.root,
        logLevel: 'warn',
        publicDir: false,
        define: {
          'import.meta.env.ASSETS': JSON.stringify(JSON.stringify(assets)),
          'import.meta.env.BUILD': JSON.stringify(hash.digest('hex').slice(0, 16)),
        },
        build: {
          outDir: config.build.outDir,
          emptyOutDir: false,
          lib: {
            entry: join(config.root, SOURCE),
            formats: ['iife'],
            name: 'drive',
            fileName: () => URL_PATH.slice(1),
          },
        },
      })
    },
  }
}
