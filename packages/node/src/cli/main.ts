#!/usr/bin/env -S MALLOC_ARENA_MAX=2 node --max-semi-space-size=4
import { runCli } from './run-cli.js'

const exitCode = await runCli(process.argv.slice(2))
await Promise.all([process.stdout, process.stderr].map(flushed))
// Everything is closed and said. Without this, timers that libraries leave behind would hold the process for another second.
process.exit(exitCode)

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve())
  })
}
