// `npm test`: everything that must hold before a change lands. The last line counts what passed and failed.
import './check-node.mjs'

const { bootstrap } = await import('./bootstrap.mjs')
await bootstrap()
const { runChecks } = await import('./checks/run.mjs')
process.exitCode = await runChecks(process.argv.slice(2))
