// `npm start`: two devices and a relay on this machine keep a real folder the same. Arguments go to the program.
import './check-node.mjs'

const { bootstrap, root } = await import('./bootstrap.mjs')
// Both build on what the devices are made of.
await bootstrap({ only: ['@peerfold/relay', '@peerfold/drive'] }).catch((error) => {
  console.error(error.message)
  process.exit(1)
})

// In this very process: its signals, exit code and terminal are the program's own.
const program = new URL('../packages/node/dist/demo/main.js', import.meta.url)
process.argv[1] = (await import('node:url')).fileURLToPath(program)
process.chdir(root)
await import(program.href)
