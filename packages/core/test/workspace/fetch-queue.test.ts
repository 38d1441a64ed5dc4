import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { PeerfoldError } from '../../src/errors.js'
import { createManualClock, type ManualClock } from '../../src/testing/manual-clock.js'
import { FetchQueue } from '../../src/workspace/fetch-queue.js'

interface TestJob {
  name: string
  content: { size: number }
}

let clock: ManualClock
/** Names of jobs that somebody in reach has. */
let reachable: Set<string>
let anybody: boolean
let failing: Map<string, Error>
let log: string[]
let changes: number
let queue: FetchQueue<TestJob>
let arrive: () => void

beforeEach(() => {
  clock = createManualClock()
  reachable = new Set()
  anybody = true
  failing = new Map()
  log = []
  changes = 0
  const waiting = new Set<() => void>()
  arrive = () => {
    for (const look of [...waiting]) look()
  }
  queue = new FetchQueue<TestJob>({
    clock,
    run: ({ name }, { signal }) =>
      new Promise<void>((resolve, reject) => {
        log.push(`start ${name}`)
        const look = () => {
          const error = failing.get(name)
          if (error !== undefined) reject(error)
          else if (reachable.has(name)) resolve()
          else return
          waiting.delete(look)
        }
        waiting.add(look)
        signal.addEventListener('abort', () => {
          waiting.delete(look)
          reject(signal.reason)
        })
        look()
      }),
    stuck: ({ name }) => !reachable.has(name),
    stalled: () => {
      changes++
    },
    anybody: () => anybody,
    ended: ({ name }, error) => log.push(error === undefined ? `done ${name}` : `void ${name}`),
    failed: ({ name }) => log.push(`failed ${name}`),
    mayRetry: (error) => (error as Error).message !== 'void',
  })
})
afterEach(() => queue.close(new PeerfoldError('CLOSED', 'the test is over')))

const MIB = 2 ** 20
const job = (name: string, size = 1): TestJob => ({ name, content: { size } })

describe('a queue of contents to fetch', () => {
  test('takes what was asked for together smallest first', async () => {
    for (const [name, size] of Object.entries({ large: 3, small: 1, medium: 2 })) {
      reachable.add(name)
      queue.add(job(name, size))
    }
    await clock.advance(0)
    expect(log.filter((line) => line.startsWith('start'))).toEqual([
      'start small',
      'start medium',
      'start large',
    ])
  })

  test('does not run more than memory allows: a large one runs alone', async () => {
    const first = job('first', 20 * MIB)
    queue.add(first)
    await clock.advance(0)
    queue.add(job('second', 20 * MIB))
    await clock.advance(0)
    expect(log).toEqual(['start first'])
    reachable.add('first').add('second')
    arrive()
    await clock.advance(0)
    expect(log).toEqual(['start first', 'done first', 'start second', 'done second'])
  })

  test('what nobody in reach has makes room for what somebody has, and has its turn again', async () => {
    const absent = job('absent', 20 * MIB)
    queue.add(absent)
    await clock.advance(0)
    reachable.add('here')
    queue.add(job('here', 20 * MIB))
    await clock.advance(1000)
    expect(queue.isStalled(absent)).toBe(true)
    expect(changes).toBe(1)
    expect(log).toEqual(['start absent'])
    await clock.advance(12_000)
    expect(log).toEqual(['start absent', 'start here', 'done here'])
    expect(queue.isStalled(absent)).toBe(true)
    await clock.advance(31_000)
    expect(log.at(-1)).toBe('start absent')
    reachable.add('absent')
    arrive()
    await clock.advance(0)
    expect(log.at(-1)).toBe('done absent')
  })

  test('with hundreds of them that nobody has, new ones still come through', async () => {
    for (let n = 0; n < 1000; n++) queue.add(job(`absent ${n}`))
    await clock.advance(0)
    reachable.add('here')
    queue.add(job('here'))
    await clock.advance(60_000)
    expect(log).toContain('done here')
  })

  test('alone, nobody takes turns', async () => {
    anybody = false
    for (let n = 0; n < 300; n++) queue.add(job(`absent ${n}`))
    await clock.advance(120_000)
    expect(log).toHaveLength(256)
  })

  test('a failure is told and tried again later; what can never succeed is not', async () => {
    failing.set('disk', new Error('disk full')).set('wrong', new Error('void'))
    queue.add(job('disk'))
    queue.add(job('wrong'))
    await clock.advance(0)
    expect(log.sort()).toEqual(['failed disk', 'start disk', 'start wrong', 'void wrong'])
    failing.clear()
    reachable.add('disk')
    await clock.advance(31_000)
    expect(log.slice(4)).toEqual(['start disk', 'done disk'])
  })

  test('closing ends what runs, and nothing begins after it', async () => {
    for (let n = 0; n < 300; n++) queue.add(job(`absent ${n}`))
    await clock.advance(0)
    await queue.close(new PeerfoldError('CLOSED', 'enough'))
    await clock.advance(120_000)
    expect(log.filter((line) => line.startsWith('start'))).toHaveLength(256)
    expect(log.filter((line) => line.startsWith('void'))).toHaveLength(256)
  })
})
