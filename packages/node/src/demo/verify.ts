import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Tour } from './tour.js'

const VERIFIER = fileURLToPath(new URL('./verifier.js', import.meta.url))

/** Has a process that only looks at files compare both folders with what is expected. @returns the differences, or nothing */
export async function verify(tour: Tour, path: string): Promise<string> {
  await writeFile(path, JSON.stringify(tour.expected))
  return await runVerifier('compare', path, tour.laptop.folder, tour.desktop.folder)
}

/** @returns the first lines that the verifier printed; nothing when it has nothing to say */
export async function runVerifier(...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [VERIFIER, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const [code] = await once(child, 'close')
  const lines = output.split('\n').slice(0, 10).join('\n')
  if (code === 0) return ''
  return lines || `the verifier ended with ${String(code)}`
}
