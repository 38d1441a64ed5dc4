// `npm run build`: installs what is missing and builds what changed.
import './check-node.mjs'

const { bootstrap } = await import('./bootstrap.mjs')
await bootstrap().catch((error) => {
  console.error(error.message)
  process.exit(1)
})
