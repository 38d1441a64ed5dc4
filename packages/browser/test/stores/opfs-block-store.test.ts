import { blockStoreSuite } from '@peerfold/core/testing'
import { afterAll, describe, test } from 'vitest'

const worker = new Worker(new URL('./opfs.worker.ts', import.meta.url), { type: 'module' })
afterAll(() => worker.terminate())

function runInWorker(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onMessage = ({ data }: MessageEvent<{ name: string; error?: string }>) => {
      if (data.name !== name) return
      worker.removeEventListener('message', onMessage)
      if (data.error === undefined) resolve()
      else reject(new Error(data.error))
    }
    worker.addEventListener('message', onMessage)
    worker.addEventListener('error', (event) => reject(new Error(event.message)), { once: true })
    worker.postMessage(name)
  })
}

describe('blocks in the origin private file system', () => {
  const inWorker = (name: string) => test(name, () => runInWorker(name))
  blockStoreSuite({ describe, test: inWorker }, () => {
    throw new Error('the worker makes the stores')
  })
})
