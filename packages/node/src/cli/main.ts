#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'
import { runCli } from './run-cli.js'

// V8 would let garbage pile up to several times of what is in use. A device runs in the background for days: collecting a little more
// often costs a few percent of the time and saves a third of the memory (docs/decisions/0074).
setFlagsFromString('--heap-growing-percent=30')
setFlagsFromString('--semi-space-growth-factor=1')

// Waiting for time alone, as for a file to come to rest, does not keep Node running: a command does until it has ended.
setInterval(() => {}, 2 ** 30)
const exitCode = await runCli(process.argv.slice(2))
await Promise.all([process.stdout, process.stderr].map(flushed))
// Everything is closed and said. Without this, timers that libraries leave behind would hold the process for another second.
process.exit(exitCode)

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve())
  })
}
