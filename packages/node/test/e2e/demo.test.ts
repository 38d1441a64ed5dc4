import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const DEMO = fileURLToPath(new URL('../../dist/demo/main.js', import.meta.url))

async function runDemo(...args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [DEMO, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, output }
}

describe('the main job', () => {
  test('makes its tour and says so', async () => {
    const { code, output } = await runDemo('--check')
    expect(output).toMatch(/laptop is process \d+, desktop is process \d+, relay is process \d+/)
    expect(output).toMatch(/ok 5 restore of an old version/)
    expect(output).toMatch(/ok 9 a search of what the relay keeps/)
    expect(output).toContain('all 10 steps passed')
    expect(code).toBe(0)
  }, 300_000)

  test('makes it with two relays, of which one is killed in the middle', async () => {
    const { code, output } = await runDemo('--check', '--relays', '2')
    expect(output).toContain('all 10 steps passed')
    expect(code).toBe(0)
  }, 300_000)

  test('sees that the result of a step was spoiled', async () => {
    const { code, output } = await runDemo('--check', '--sabotage', '3')
    expect(output).toContain('ok 2 ')
    expect(output).toContain('FAILED 3 ')
    expect(code).toBe(1)
  }, 300_000)

  test('refuses a step that is not there', async () => {
    const { code, output } = await runDemo('--check', '--sabotage', '99')
    expect(output).toContain('a step from 1 to 10')
    expect(code).toBe(2)
  })
})
