import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '@peerfold/core'
import { systemClock } from '@peerfold/core/platform'
import { afterEach } from 'vitest'
import { createRelay, type Relay, type RelayInit, type RelayLimits } from '../src/index.js'
import type { RelayService } from '../src/service.js'
import { type TestFeed, TestWorkspace } from './commits.js'
import { TestDevice } from './device.js'

/** A relay under test, with what its HTTP side would see of it. */
export interface TestRelay {
  relay: Relay
  service: RelayService
  directory: string
  logged: Array<{ level: string; fields: object; message: string }>
}

/** Real time, whose wall clock a test may move. */
export interface ShiftedClock extends Clock {
  shift(ms: number): void
}

export function shiftedClock(): ShiftedClock {
  let offset = 0
  return {
    ...systemClock,
    now: () => systemClock.now() + offset,
    shift: (ms) => {
      offset += ms
    },
  }
}

export interface Fixture {
  directory(): Promise<string>
  /** Undone before what was made earlier. */
  cleanUp(undo: () => Promise<void>): void
  start(init?: Partial<Omit<RelayInit, 'limits'>> & { limits?: Partial<RelayLimits> }): Promise<TestRelay>
  /** With a session. */
  device(at: TestRelay, seed?: Uint8Array<ArrayBuffer>): Promise<TestDevice>
  /** A device that has begun a mailbox and opened it. */
  mailbox(at: TestRelay): Promise<OpenedMailbox>
}

export interface OpenedMailbox {
  device: TestDevice
  workspace: TestWorkspace
  handle: string
  feed: TestFeed
}

/** Everything that a test started is closed after it. */
export function relayFixture(): Fixture {
  const closers: Array<() => Promise<void>> = []
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close()
  })
  const directory = async () => {
    const path = await mkdtemp(join(tmpdir(), 'peerfold-relay-'))
    closers.push(() => rm(path, { recursive: true, force: true }))
    return path
  }
  const connected = async (at: TestRelay, seed?: Uint8Array<ArrayBuffer>) => {
    const device = await TestDevice.create(seed)
    closers.push(() => device.close())
    return device.connect(at.relay.addresses())
  }
  return {
    directory,
    cleanUp: (undo) => {
      closers.push(undo)
    },
    start: async (init = {}) => {
      const path = init.directory ?? (await directory())
      const logged: TestRelay['logged'] = []
      const note = (level: string) => (fields: object, message: string) => {
        logged.push({ level, fields, message })
      }
      let service: RelayService | undefined
      const relay = await createRelay({
        listen: ['/ip4/127.0.0.1/tcp/0'],
        open: true,
        log: { info: note('info'), warn: note('warn'), error: note('error') },
        http: async (given) => {
          service = given
          return { urls: () => ['https://relay.example'], close: async () => {} }
        },
        ...init,
        directory: path,
      })
      closers.push(() => relay.close())
      return { relay, service: service as RelayService, directory: path, logged }
    },
    device: connected,
    mailbox: async (at) => {
      const device = await connected(at)
      const workspace = new TestWorkspace()
      await device.register(workspace)
      await device.open(workspace)
      return { device, workspace, handle: workspace.handle, feed: workspace.feed() }
    },
  }
}
