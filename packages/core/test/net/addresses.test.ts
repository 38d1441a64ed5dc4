import { describe, expect, test } from 'vitest'
import { dialOrder, ownAddresses } from '../../src/net/addresses.js'
import { createManualClock } from '../../src/testing/index.js'

const circuit = (n: number) => `/ip4/192.0.2.1/tcp/${n}/p2p/R/p2p-circuit/p2p/A`
const webrtc = (n: number) => `/ip4/192.0.2.1/tcp/${n}/ws/p2p/R/p2p-circuit/webrtc/p2p/A`
const direct = (n: number) => `/ip4/192.0.2.2/tcp/${n}/p2p/A`

describe('the order of dialling', () => {
  /** What is dialled when each takes a second. */
  async function dialled(addresses: string[]): Promise<string[]> {
    const clock = createManualClock()
    const order: string[] = []
    for (const address of dialOrder(addresses, clock, 2000)) {
      order.push(address)
      await clock.advance(1000)
    }
    return order
  }

  test('has circuits last, and WebRTC among the direct ones', async () => {
    expect(await dialled([direct(1), circuit(1), webrtc(1)])).toEqual([direct(1), webrtc(1), circuit(1)])
  })

  test('has circuits before direct ones that would come late', async () => {
    const addresses = [direct(1), direct(2), direct(3), direct(4), circuit(1)]
    expect(await dialled(addresses)).toEqual([direct(1), direct(2), circuit(1), direct(3), direct(4)])
  })

  test('begins with what is named first, be it a circuit', async () => {
    const addresses = [circuit(1), circuit(2), direct(1)]
    expect(await dialled(addresses)).toEqual([circuit(1), direct(1), circuit(2)])
  })
})

test('of many own addresses sixteen are told, circuits among them', () => {
  const many = Array.from({ length: 20 }, (_, n) => direct(n))
  const told = ownAddresses([...many, circuit(1), circuit(2)])
  expect(told).toEqual([...many.slice(0, 14), circuit(1), circuit(2)])
})
