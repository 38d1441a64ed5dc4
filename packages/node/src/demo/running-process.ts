import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** A line that a command printed with `--json`. */
export type Line = Record<string, unknown>

/** The JSON lines of a process that stays, as they come and as they came. */
export class Lines {
  #lines: Line[] = []
  readonly #listeners = new Set<(line: Line) => void>()

  /** Reads a process from now on, and forgets what another one said. @returns rejects when it ends */
  read(name: string, child: ChildProcess): Promise<never> {
    this.#lines = []
    let errors = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-10_000)
    })
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (text) =>
      this.#take(JSON.parse(text) as Line),
    )
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`${name} stopped with exit code ${String(code)}: ${errors.trim()}`)
    })
    ended.catch(() => {})
    return ended
  }

  on(listener: (line: Line) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  wait(wanted: (line: Line) => boolean): Promise<Line> {
    const seen = this.#lines.find(wanted)
    if (seen !== undefined) return Promise.resolve(seen)
    return new Promise((resolve) => {
      const stop = this.on((line) => {
        if (!wanted(line)) return
        stop()
        resolve(line)
      })
    })
  }

  #take(line: Line): void {
    this.#lines.push(line)
    if (this.#lines.length > 1000) this.#lines.shift()
    for (const listener of [...this.#listeners]) listener(line)
  }
}

/** Ends a process in order. Idempotent. */
export async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}

export function isType(type: string): (line: Line) => boolean {
  return (line) => line.type === type
}
