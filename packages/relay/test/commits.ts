import { createHash, randomBytes } from 'node:crypto'
import type { RelayKeys } from '@peerfold/core/relay'
import { fromHex, sha256Now, toHex } from '@peerfold/core/relay'
import { encodeEnvelope, encodeHeader, signedMessage } from '../../core/src/log/envelope.js'
import { createNodeCrypto } from '../../node/src/workers/node-crypto.js'

/** Commits as a relay sees them: a sound header and signature, and a body that it cannot open anyway. */

export const crypto = createNodeCrypto()

export const randomId = () => randomBytes(32).toString('hex')

export interface TestCommit {
  id: string
  bytes: Uint8Array
  feed: string
  seq: number
}

/** One feed of one workspace, which goes on from its own last commit. */
export class TestFeed {
  readonly handle: string
  readonly #seed = new Uint8Array(randomBytes(32))
  readonly #key = crypto.publicKey(this.#seed)
  readonly feed = toHex(sha256Now(this.#key))
  last: TestCommit | undefined

  constructor(handle: string) {
    this.handle = handle
  }

  /** @param bytes of the ciphertext */
  async next(bytes = 300, epoch = '0'.repeat(64)): Promise<TestCommit> {
    this.last = await this.at((this.last?.seq ?? 0) + 1, this.last?.id, bytes, epoch)
    return this.last
  }

  async several(count: number, bytes = 300): Promise<TestCommit[]> {
    const commits: TestCommit[] = []
    for (let i = 0; i < count; i++) commits.push(await this.next(bytes))
    return commits
  }

  async at(seq: number, prev: string | undefined, bytes = 300, epoch = '0'.repeat(64)): Promise<TestCommit> {
    const ciphertext = new Uint8Array(randomBytes(bytes))
    const header = encodeHeader({
      handle: this.handle,
      feed: this.feed,
      seq,
      prev,
      epoch,
      salt: new Uint8Array(randomBytes(32)),
      length: bytes,
    })
    const id = sha256Now(header, ciphertext)
    const signature = await crypto.sign(this.#seed, signedMessage(id))
    const envelope = encodeEnvelope({ header, ciphertext, feedKey: this.#key, signature })
    return { id: toHex(id), bytes: envelope, feed: this.feed, seq }
  }
}

/** A workspace as its devices know it: a handle, and keys for each epoch. */
export class TestWorkspace {
  readonly handle = randomId()
  readonly epochs: TestEpoch[] = [new TestEpoch()]

  get current(): TestEpoch {
    return this.epochs.at(-1) as TestEpoch
  }

  feed(): TestFeed {
    return new TestFeed(this.handle)
  }

  rotate(): TestEpoch {
    this.epochs.push(new TestEpoch())
    return this.current
  }
}

export class TestEpoch {
  readonly id = randomId()
  readonly seeds: RelayKeys = {
    pull: new Uint8Array(randomBytes(32)),
    push: new Uint8Array(randomBytes(32)),
    control: new Uint8Array(randomBytes(32)),
  }

  get keys(): RelayKeys {
    const { pull, push, control } = this.seeds
    return {
      pull: crypto.publicKey(pull),
      push: crypto.publicKey(push),
      control: crypto.publicKey(control),
    }
  }
}

export interface TestBlock {
  digest: Uint8Array
  bytes: Uint8Array
}

export function randomBlock(bytes: number): TestBlock {
  const content = new Uint8Array(randomBytes(bytes))
  return { digest: new Uint8Array(createHash('sha256').update(content).digest()), bytes: content }
}

export const idBytes = (commits: readonly TestCommit[]) => commits.map(({ id }) => fromHex(id))
