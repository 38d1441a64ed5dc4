import { afterEach, describe, expect, test } from 'vitest'
import { bridgeRtc, type RtcBridge } from '../../src/net/rtc/bridge-rtc.js'
import type { WorkerChannel } from '../../src/net/rtc/worker-channel.js'
import { WorkerConnection } from '../../src/net/rtc/worker-connection.js'
import { WorkerEnd } from '../../src/net/rtc/worker-end.js'

const MIB = 1024 * 1024
const bridges: RtcBridge[] = []

afterEach(() => {
  for (const bridge of bridges.splice(0)) bridge.close()
})

/** What a worker has, over this page's own WebRTC. */
function bridged(configuration?: RTCConfiguration): WorkerConnection {
  const { port1, port2 } = new MessageChannel()
  bridges.push(bridgeRtc(port1))
  return new WorkerConnection(new WorkerEnd(port2), configuration)
}

function next<T = Event>(target: EventTarget, type: string): Promise<T> {
  return new Promise((resolve) => {
    target.addEventListener(type, (event) => resolve(event as T), { once: true })
  })
}

/** Two peers and a channel between them. */
async function connect(options?: RTCDataChannelInit) {
  const [a, b] = [bridged(), bridged()]
  // One that comes late has nobody to wait for it.
  a.onicecandidate = ({ candidate }) => void b.addIceCandidate(candidate).catch(() => {})
  b.onicecandidate = ({ candidate }) => void a.addIceCandidate(candidate).catch(() => {})
  const ours = a.createDataChannel('talk', options)
  const incoming = next<Event & { channel: WorkerChannel }>(b, 'datachannel')
  const opened = next(ours, 'open')
  const offer = await a.createOffer()
  await a.setLocalDescription(offer)
  await b.setRemoteDescription(offer)
  const answer = await b.createAnswer()
  await b.setLocalDescription(answer)
  await a.setRemoteDescription(answer)
  const { channel: theirs } = await incoming
  await opened
  return { a, b, ours, theirs }
}

describe('WebRTC over the bridge', () => {
  test('connects, and opens channels that both sides know alike', async () => {
    const { a, b, ours, theirs } = await connect({ ordered: false, protocol: 'p' })
    // A channel may open before the connection says that it is up.
    for (const side of [a, b]) {
      while (side.connectionState !== 'connected') await next(side, 'connectionstatechange')
      expect([side.iceConnectionState, side.signalingState]).toEqual(['connected', 'stable'])
    }
    for (const channel of [ours, theirs])
      expect(channel).toMatchObject({ label: 'talk', protocol: 'p', ordered: false, readyState: 'open' })
    expect(theirs.id).toBe(ours.id)
  })

  test('opens channels that both sides agreed on', async () => {
    const { a, b } = await connect()
    const [x, y] = [a, b].map((side) => side.createDataChannel('', { negotiated: true, id: 7 }))
    await Promise.all([next(x!, 'open'), next(y!, 'open')])
    const came = next<MessageEvent>(y!, 'message')
    x!.send('agreed')
    expect((await came).data).toBe('agreed')
  })

  test('carries text and bytes as they were when they were sent', async () => {
    const { ours, theirs } = await connect()
    const came: unknown[] = []
    theirs.onmessage = ({ data }) => came.push(typeof data === 'string' ? data : new Uint8Array(data))
    const bytes = new Uint8Array([0, 1, 2, 3, 4])
    ours.send(bytes.subarray(1, 3))
    bytes.fill(9)
    ours.send(bytes.buffer)
    ours.send('grün')
    while (came.length < 3) await next(theirs, 'message')
    expect(came).toEqual([new Uint8Array([1, 2]), new Uint8Array([9, 9, 9, 9, 9]), 'grün'])
    expect(bytes.length).toBe(5)
  })

  test('counts as buffered what is on its way, and tells when little of it is left, each time', async () => {
    const { ours, theirs } = await connect()
    let received = 0
    theirs.onmessage = ({ data }) => {
      received += (data as ArrayBuffer).byteLength
    }
    for (const threshold of [0, MIB]) {
      ours.bufferedAmountLowThreshold = threshold
      const before = ours.bufferedAmount
      for (let i = 0; i < 64; i++) ours.send(new Uint8Array(64 * 1024))
      expect(ours.bufferedAmount).toBe(before + 4 * MIB)
      await next(ours, 'bufferedamountlow')
      expect(ours.bufferedAmount).toBeLessThanOrEqual(threshold)
    }
    ours.send(new Uint8Array(1))
    while (ours.bufferedAmount > 0 || received < 8 * MIB + 1)
      await new Promise((resolve) => setTimeout(resolve, 5))
    expect(received).toBe(8 * MIB + 1)
  })

  test('closes a channel on both sides after what was sent, and takes nothing afterwards', async () => {
    const { ours, theirs } = await connect()
    const came: unknown[] = []
    theirs.onmessage = ({ data }) => came.push(data)
    const ends = [next(ours, 'close'), next(theirs, 'close')]
    ours.send('last')
    ours.close()
    expect(ours.readyState).toBe('closing')
    await Promise.all(ends)
    expect([ours.readyState, theirs.readyState]).toEqual(['closed', 'closed'])
    expect(came).toEqual(['last'])
    expect(() => ours.send('more')).toThrow(expect.objectContaining({ name: 'InvalidStateError' }))
  })

  test('keeps the channel that begins a connection open until this side closes it', async () => {
    const { ours, theirs } = await connect()
    theirs.close()
    await next(theirs, 'close')
    expect(ours.readyState).toBe('open')
    const end = next(ours, 'close')
    ours.close()
    await end
    expect(ours.readyState).toBe('closed')
  })

  test('rejects what the page’s WebRTC rejects, with its reason', async () => {
    const a = bridged()
    await expect(a.setRemoteDescription({ type: 'offer', sdp: 'nonsense' })).rejects.toMatchObject({
      name: 'OperationError',
    })
    await expect(a.createAnswer()).rejects.toMatchObject({ name: 'InvalidStateError' })
  })

  test('ends on both sides when one closes it', async () => {
    const { a, ours, theirs } = await connect()
    const ends = [next(ours, 'close'), next(theirs, 'close')]
    a.close()
    await Promise.all(ends)
    expect([a.connectionState, ours.readyState, theirs.readyState]).toEqual(['closed', 'closed', 'closed'])
    await expect(a.createOffer()).rejects.toMatchObject({ name: 'InvalidStateError' })
    expect(() => a.createDataChannel('')).toThrow()
  })

  test('ends with the bridge: who waits is told', async () => {
    const { a, b, ours, theirs } = await connect()
    const offer = a.createOffer()
    const told = [next(a, 'connectionstatechange'), next(ours, 'close'), next(theirs, 'close')]
    bridges[0]?.close()
    await expect(offer).rejects.toMatchObject({ name: 'InvalidStateError' })
    await Promise.all(told)
    expect(a.connectionState).toBe('closed')
    expect(b.createDataChannel('').readyState).toBe('connecting')
  })

  test('is closed from the start with a configuration that no browser takes', async () => {
    const a = bridged({ iceServers: [{ urls: 'http://192.0.2.1' }] })
    await next(a, 'connectionstatechange')
    expect(a.connectionState).toBe('closed')
  })
})
