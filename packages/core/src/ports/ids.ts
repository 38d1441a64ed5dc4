/**
 * Names of things, as lower-case hexadecimal text in memory and as raw bytes on the wire (PROTOCOL.md §1). Plain strings, so that they
 * serve as keys of maps and of the index.
 */

/** 32 bytes: SHA-256 of a user's identity genesis. */
export type UserId = string
/** 32 bytes: SHA-256 of the device's signing public key. */
export type DeviceId = string
/** 32 bytes: SHA-256 of the workspace's genesis. */
export type WorkspaceId = string
/** 32 bytes: what relays and wires call a workspace, derived from its id so that the id itself stays private. */
export type WorkspaceHandle = string
/** 32 bytes: SHA-256 of a feed's Ed25519 public key. */
export type FeedId = string
/** 32 bytes: SHA-256(header ‖ ciphertext). */
export type CommitId = string
/** 32 bytes: commitment to an epoch's secrets. */
export type EpochId = string
/** 16 bytes, last bit = kind (0 folder, 1 file); or `ROOT_ITEM`. */
export type ItemId = string
/** Names one record for ever: `<shard>.<writer>.<clock>` in decimal. Version ids of files are record ids of content records. */
export type RecordId = string
/** 53 bits of SHA-256(workspace, feed): the Yjs clientID a feed writes under. */
export type WriterId = number
