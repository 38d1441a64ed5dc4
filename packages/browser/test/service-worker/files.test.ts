import { fileUrl } from '@peerfold/browser/service-worker'
import type { Workspace } from '@peerfold/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type ConnectedWorkspace,
  connectedWorkspace,
  isSame,
  randomBytes,
  until,
} from '../remote/connected.js'
import { freshName } from '../stores/fresh-name.js'
import { type AppFrame, BASE, installWorker, openFrame, wav } from './app-frame.js'

/** One red pixel. */
const PNG = Uint8Array.from(
  atob('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=='),
  (character) => character.charCodeAt(0),
)

let world: ConnectedWorkspace
let registration: ServiceWorkerRegistration
let app: AppFrame
let notes: Workspace
const big = randomBytes(5_000_000)

const url = (path: string, options = {}) => fileUrl(notes.id, path, { base: BASE, ...options })
const get = async (path: string, headers: Record<string, string> = {}) =>
  await app.fetch(url(path), { headers })
const bytesOf = async (response: Response) => new Uint8Array(await response.arrayBuffer())

beforeAll(async () => {
  world = await connectedWorkspace()
  notes = world.notes
  registration = await installWorker(world.home)
  app = await openFrame()
  await notes.write('big.bin', big)
  await notes.write('Grüße & "Küsse"/50 %?#.txt', 'hello')
  await notes.mkdir('folder')
})

afterAll(async () => {
  app.remove()
  await registration.unregister()
  await world[Symbol.asyncDispose]()
})

describe('a service worker serves', () => {
  test('a file as it is now, with what it is', async () => {
    const version = await notes.write('page.txt', 'one')
    const response = await get('page.txt')
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('one')
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'content-length': '3',
      'accept-ranges': 'bytes',
      etag: `"${version.id}"`,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
    expect(response.headers.has('content-disposition')).toBe(false)
    await notes.write('page.txt', 'two')
    expect(await (await get('page.txt')).text()).toBe('two')
    const past = await app.fetch(url('page.txt', { version: version.id }))
    expect(await past.text()).toBe('one')
  })

  test('names of all kinds', async () => {
    const response = await get('Grüße & "Küsse"/50 %?#.txt')
    expect(await response.text()).toBe('hello')
  })

  test('large files, whole and empty ones', async () => {
    expect(isSame(await bytesOf(await get('big.bin')), big)).toBe(true)
    await notes.write('empty', '')
    const response = await get('empty')
    expect([response.status, await response.text()]).toEqual([200, ''])
  })

  test.each([
    ['bytes=0-99', 0, 100],
    ['bytes=1234567-3456789', 1_234_567, 3_456_790],
    ['bytes=4999990-', 4_999_990, 5_000_000],
    ['bytes=4999990-9999999', 4_999_990, 5_000_000],
    ['bytes=-10', 4_999_990, 5_000_000],
  ])('the range %s', async (range, start, end) => {
    const response = await get('big.bin', { Range: range })
    expect(response.status).toBe(206)
    expect(response.headers.get('Content-Range')).toBe(`bytes ${start}-${end - 1}/5000000`)
    expect(response.headers.get('Content-Length')).toBe(String(end - start))
    expect(isSame(await bytesOf(response), big.subarray(start, end))).toBe(true)
  })

  test.each(['bytes=5000000-', 'bytes=9-5', 'bytes=-0', 'bytes=', 'bytes=x-y'])(
    'no range that there is not: %s',
    async (range) => {
      const response = await get('big.bin', { Range: range })
      expect(response.status).toBe(416)
      expect(response.headers.get('Content-Range')).toBe('bytes */5000000')
    },
  )

  test('all of it for several ranges at once, and for a range of another version', async () => {
    const { id } = await notes.write('page.txt', 'one and two')
    expect((await get('page.txt', { Range: 'bytes=0-1,3-4' })).status).toBe(200)
    expect((await get('page.txt', { Range: 'bytes=0-2', 'If-Range': '"other"' })).status).toBe(200)
    const response = await get('page.txt', { Range: 'bytes=0-2', 'If-Range': `"${id}"` })
    expect([response.status, await response.text()]).toEqual([206, 'one'])
  })

  test('what HEAD asks for, and no other method', async () => {
    const head = await app.fetch(url('big.bin'), { method: 'HEAD' })
    expect([head.status, head.headers.get('Content-Length')]).toEqual([200, '5000000'])
    expect((await app.fetch(url('big.bin'), { method: 'DELETE' })).status).toBe(405)
  })

  test('404 for what is not there, with why', async () => {
    const code = async (response: Response) => [response.status, (await response.text()).split(':')[0]]
    expect(await code(await get('none'))).toEqual([404, 'NOT_FOUND'])
    expect(await code(await get('folder'))).toEqual([404, 'NOT_A_FILE'])
    const address = { base: BASE }
    expect(await code(await app.fetch(fileUrl('00ff', 'a', address)))).toEqual([404, 'WORKSPACE_NOT_FOUND'])
    const version = await app.fetch(url('big.bin', { version: '1.2.3' }))
    expect(await code(version)).toEqual([404, 'VERSION_NOT_FOUND'])
  })

  test('downloads under their names', async () => {
    const path = 'Grüße & "Küsse"/50 %?#.txt'
    const response = await app.fetch(url(path, { download: true }))
    expect(response.headers.get('Content-Disposition')).toBe(
      `attachment; filename="50 _?#.txt"; filename*=UTF-8''50%20%25%3F%23.txt`,
    )
    await notes.write("l'été.pdf", 'x')
    const french = await app.fetch(url("l'été.pdf", { download: true }))
    expect(french.headers.get('Content-Disposition')).toBe(
      `attachment; filename="l'_t_.pdf"; filename*=UTF-8''l%27%C3%A9t%C3%A9.pdf`,
    )
  })

  test('images to <img>', async () => {
    await notes.write('red.png', PNG)
    const image = app.window.document.createElement('img')
    image.src = url('red.png')
    await image.decode()
    expect([image.naturalWidth, image.naturalHeight]).toEqual([1, 1])
  })

  test('sound to <audio>, which seeks without reading what lies between', async () => {
    await notes.write('long.wav', wav(240))
    const ranges: Array<{ offset: number; bytes: number }> = []
    const open = world.device.workspaces.open
    world.device.workspaces.open = async (...args) => {
      const workspace = await open(...args)
      const read = workspace.read.bind(workspace)
      workspace.read = (path, options) => {
        const range = { offset: options?.offset ?? 0, bytes: 0 }
        ranges.push(range)
        return read(path, {
          ...options,
          onProgress: (progress) => {
            range.bytes = progress.bytes
            options?.onProgress?.(progress)
          },
        })
      }
      return workspace
    }
    const audio = app.window.document.createElement('audio')
    audio.preload = 'metadata'
    audio.src = url('long.wav')
    await new Promise((resolve) => audio.addEventListener('loadedmetadata', resolve, { once: true }))
    expect(audio.duration).toBe(240)
    audio.currentTime = 200
    await new Promise((resolve) => audio.addEventListener('seeked', resolve, { once: true }))
    expect(audio.currentTime).toBe(200)
    expect(ranges.some(({ offset }) => offset > 30_000_000)).toBe(true)
    audio.removeAttribute('src')
    audio.load()
    world.device.workspaces.open = open
    expect(ranges.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(30_000_000)
  })

  test('no more than is read, and ends when the reader does', async () => {
    await notes.write('film.bin', randomBytes(30_000_000))
    let read = 0
    let ended = false
    const open = world.device.workspaces.open
    world.device.workspaces.open = async (...args) => {
      const workspace = await open(...args)
      const original = workspace.read.bind(workspace)
      workspace.read = (path, options) => {
        options?.signal?.addEventListener('abort', () => {
          ended = true
        })
        return original(path, {
          ...options,
          onProgress: ({ bytes }) => {
            read = bytes
          },
        })
      }
      return workspace
    }
    const reader = (await get('film.bin')).body?.getReader()
    await reader?.read()
    await notes.stat('')
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(read).toBeLessThan(15_000_000)
    await reader?.cancel()
    await until(() => ended)
    world.device.workspaces.open = open
  })

  test('pages that can do nothing: no script runs, and no storage of the app is theirs', async () => {
    const html = `<!doctype html><title>evil</title><img src="x" onerror="parent.postMessage('ran', '*')">
      <script>parent.postMessage('ran ' + localStorage.length, '*')</script>`
    const svg = `<svg xmlns="http://www.w3.org/2000/svg"><script>parent.postMessage('ran', '*')</script></svg>`
    const told: unknown[] = []
    const listen = ({ data }: MessageEvent) => told.push(data)
    addEventListener('message', listen)
    for (const [name, text] of Object.entries({ 'evil.html': html, 'evil.svg': svg, 'evil.xhtml': html })) {
      await notes.write(name, text)
      const response = await get(name)
      expect(response.headers.get('Content-Security-Policy')).toMatch(/^sandbox;/)
      const frame = await openFrame(url(name))
      expect(frame.element.contentDocument, 'of another origin').toBeNull()
      frame.remove()
    }
    // What may run does tell: the listener works.
    const harmless = await openFrame()
    const script = harmless.window.document.createElement('script')
    script.textContent = `parent.postMessage('allowed', '*')`
    harmless.window.document.documentElement.append(script)
    await until(() => told.includes('allowed'))
    expect(told.filter((each) => each !== 'allowed')).toEqual([])
    removeEventListener('message', listen)
    harmless.remove()
  })

  test('nothing of the rest: other requests go their way', async () => {
    const response = await app.fetch(new URL('./app-frame.ts', import.meta.url).href)
    expect(await response.text()).toContain('openFrame')
  })
})

describe('file URLs', () => {
  test('name a file, a version, a download', () => {
    expect(fileUrl('ab', 'a b/ü.txt')).toBe('/peerfold/ab/latest/a%20b/%C3%BC.txt')
    expect(fileUrl('ab', '/a', { version: '1.2.3', download: true, base: '/app/', prefix: 'x' })).toBe(
      '/app/x/ab/1.2.3/a?download',
    )
  })

  test('name nothing else', () => {
    for (const path of ['', '/', 'a/../b', '.', 'a//b'])
      expect(() => fileUrl('ab', path)).toThrow(expect.objectContaining({ code: 'PATH_INVALID' }))
  })
})

describe('a page', () => {
  /** Of the worker's scope, but there before any worker is: the worker's own script, shown as text. */
  const early = new URL('./files-worker.ts', import.meta.url).pathname
  const module = new URL('../../src/service-worker/register.ts', import.meta.url).href

  test('that was there before the worker is controlled by it once it is registered', async () => {
    await registration.unregister()
    const frame = await openFrame(early)
    expect(frame.window.navigator.serviceWorker.controller).toBeNull()
    const script = `import(${JSON.stringify(module)}).then(({ registerFiles }) => registerFiles(${JSON.stringify(
      `${early}?home=${world.home}`,
    )}))`
    registration = await (frame.window as unknown as { eval(code: string): Promise<never> }).eval(script)
    expect(frame.window.navigator.serviceWorker.controller).not.toBeNull()
    expect((await frame.fetch(url('big.bin'), { method: 'HEAD' })).status).toBe(200)
    frame.remove()
  })

  test('is told when no tab runs the device', async () => {
    registration = await installWorker(freshName())
    const frame = await openFrame()
    const response = await frame.fetch(url('big.bin'))
    expect([response.status, (await response.text()).split(':')[0]]).toEqual([503, 'NOT_CONNECTED'])
    frame.remove()
  })
})
