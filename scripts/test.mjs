// `npm test`: everything that must hold before a change lands. The last line counts what passed and failed.
import './check-node.mjs'

const { bootstrap } = await import('./bootstrap.mjs')
try {
  await bootstrap()
  const { runChecks } = await import('./checks/run.mjs')
  process.exitCode = await runChecks(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  console.log('0 passed, 1 failed')
  process.exitCode = 1
}
