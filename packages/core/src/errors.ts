/**
 * Every error that Peerfold throws, on one page. A code is stable: programs may branch on it. The hint says what a person can do.
 */
const CODES = {
  // use of the API
  ABORTED: { retryable: true, hint: 'The call was cancelled by its caller.' },
  CLOSED: { retryable: false, hint: 'Open it again before using it.' },
  INVALID_ARGUMENT: { retryable: false, hint: 'Correct the argument named in the message.' },
  TIMEOUT: { retryable: true, hint: 'Try again, or allow more time.' },
  NOT_FOUND: { retryable: false, hint: 'Check the path; `peerfold ls` lists what is there.' },
  ALREADY_EXISTS: { retryable: false, hint: 'Choose another name, or remove what is there first.' },
  NOT_A_FOLDER: { retryable: false, hint: 'The path names a file.' },
  NOT_A_FILE: { retryable: false, hint: 'The path names a folder.' },
  NAME_INVALID: {
    retryable: false,
    hint: 'A name is 1 to 1020 bytes of UTF-8 without "/" or NUL, and not "." or "..".',
  },
  PATH_INVALID: { retryable: false, hint: 'A path is names joined by "/".' },
  MOVE_INTO_ITSELF: { retryable: false, hint: 'A folder cannot be moved into itself or below.' },
  VERSION_MISMATCH: { retryable: true, hint: 'It changed meanwhile: read it again and repeat the change.' },
  VERSION_NOT_FOUND: { retryable: false, hint: '`peerfold versions PATH` lists the versions that are kept.' },
  // identity and pairing
  NO_IDENTITY: {
    retryable: false,
    hint: 'Run `peerfold init` for a new identity, `peerfold recover` or `peerfold join TICKET` for an existing one.',
  },
  IDENTITY_EXISTS: { retryable: false, hint: 'This home has an identity already; use another --home.' },
  PHRASE_INVALID: {
    retryable: false,
    hint: 'A recovery phrase is 24 words of the BIP-39 English list; check each word and their order.',
  },
  TICKET_INVALID: {
    retryable: false,
    hint: 'Copy the whole ticket, from `peerfold:` to its last character.',
  },
  TICKET_EXPIRED: {
    retryable: false,
    hint: 'Tickets last ten minutes: make a new one with `peerfold invite`.',
  },
  TICKET_USED: { retryable: false, hint: 'A ticket works once: make a new one with `peerfold invite`.' },
  PAIRING_REFUSED: { retryable: false, hint: 'The other device did not accept: make a new ticket there.' },
  CERTIFICATE_INVALID: { retryable: false, hint: 'The device could not prove who it is: pair it again.' },
  DEVICE_REVOKED: {
    retryable: false,
    hint: 'This device was removed by another one; pair it again to use it.',
  },
  DEVICE_NOT_FOUND: { retryable: false, hint: '`peerfold device list` shows the devices.' },
  PERMISSION_DENIED: { retryable: false, hint: 'Ask an owner of the workspace.' },
  // workspaces and homes
  WORKSPACE_NOT_FOUND: { retryable: false, hint: '`peerfold status` lists the workspaces.' },
  WORKSPACE_AMBIGUOUS: { retryable: false, hint: 'Name the workspace: `peerfold status` lists them.' },
  HOME_LOCKED: { retryable: true, hint: 'Another process uses this home; stop it, or use another --home.' },
  HOME_INVALID: {
    retryable: false,
    hint: 'The directory is not a Peerfold home or cannot be used; choose another --home.',
  },
  CONTROL_UNAVAILABLE: {
    retryable: true,
    hint: 'The running process does not answer; stop it and start it again.',
  },
  // content
  BLOCK_NOT_FOUND: {
    retryable: true,
    hint: 'No copy is here; it comes when a device that holds it is connected.',
  },
  BLOCK_CORRUPT: {
    retryable: true,
    hint: 'A stored block was damaged and moved aside; a copy from another device replaces it.',
  },
  BLOCKS_UNAVAILABLE: {
    retryable: true,
    hint: 'Content is not on this device yet; `peerfold status` says which device is waited for.',
  },
  DECRYPT_FAILED: { retryable: false, hint: 'The data was not made with these keys, or was changed.' },
  MANIFEST_INVALID: {
    retryable: false,
    hint: 'The author of this version published content that does not match its description.',
  },
  STORE_FULL: { retryable: true, hint: 'Free disk space; nothing was lost.' },
  // log
  LOG_CORRUPT: {
    retryable: false,
    hint: 'A stored record is damaged; what other devices hold is fetched again.',
  },
  LOG_POSITION_INVALID: {
    retryable: false,
    hint: 'The index does not match the log; it is rebuilt at the next start.',
  },
  INDEX_CORRUPT: { retryable: true, hint: 'The index is damaged; it is rebuilt from the log.' },
  COMMIT_INVALID: {
    retryable: false,
    hint: 'A device published a change that breaks the rules; it was refused.',
  },
  COMMIT_TOO_LARGE: { retryable: false, hint: 'Split the transaction.' },
  COMMIT_HELD: { retryable: true, hint: 'It waits for changes that it builds on.' },
  UPDATE_INVALID: {
    retryable: false,
    hint: 'A device published a tree update that breaks the rules; it was refused.',
  },
  KEY_MISSING: {
    retryable: true,
    hint: 'The keys of this period have not reached this device yet; connect one that has them.',
  },
  CLOCK_AHEAD: { retryable: true, hint: 'Correct the clock of the device named in the message.' },
  // network
  DIAL_FAILED: {
    retryable: true,
    hint: 'Check that the other device runs `peerfold start` and that a network joins the two.',
  },
  NOT_CONNECTED: { retryable: true, hint: 'Wait until the device is connected.' },
  NO_PATH: { retryable: true, hint: 'No way to any peer: start another device, or check the network.' },
  NO_PEERS: { retryable: true, hint: 'No other device is connected; start one.' },
  PROTOCOL_UNSUPPORTED: {
    retryable: false,
    hint: 'The other side runs another version of Peerfold; update both.',
  },
  PROTOCOL_TAKEN: { retryable: false, hint: 'A protocol has one handler; remove the first.' },
  MESSAGE_INVALID: { retryable: false, hint: 'The other side broke the protocol and was disconnected.' },
  UNAUTHORIZED: {
    retryable: false,
    hint: 'The other side is not a device of this user or a member of this workspace.',
  },
  BUSY: { retryable: true, hint: 'Try again a little later.' },
  // relays
  RELAY_REFUSED: {
    retryable: false,
    hint: 'The relay takes only whom its operator allows: `peerfold-relay allow PEER` there.',
  },
  RELAY_NOT_FOUND: { retryable: false, hint: '`peerfold relay list` shows the relays of this device.' },
  RELAY_LIED: {
    retryable: false,
    hint: 'The relay contradicts what it signed before; nothing was taken back here. Use another relay.',
  },
  QUOTA_EXCEEDED: {
    retryable: true,
    hint: 'The relay has no more room for this workspace: its operator can raise the quota.',
  },
  // folders
  FOLDER_NOT_FOUND: { retryable: false, hint: 'Create the folder first, or check its path.' },
  FOLDER_MISSING: {
    retryable: true,
    hint: 'The synced folder or its marker is gone (unmounted?); nothing is deleted elsewhere. Bring it back.',
  },
  FOLDER_NESTED: { retryable: false, hint: 'A synced folder can lie neither inside another nor around it.' },
  FOLDER_IN_USE: { retryable: false, hint: 'The folder belongs to another workspace already.' },
  FOLDER_PAUSED: { retryable: false, hint: '`peerfold resume` lets it go on.' },
  FILE_BUSY: { retryable: true, hint: 'The file is being written to; it is synced when it rests.' },
  FILE_UNSUPPORTED: { retryable: false, hint: 'Only files, folders and symbolic links are synced.' },
  IGNORE_UNREADABLE: {
    retryable: true,
    hint: 'Mend the file of ignore rules, or remove it; nothing is synced until its rules are known.',
  },
  BRAKE: {
    retryable: false,
    hint: 'Many deletions at once: look at `peerfold plan`, then accept it with `peerfold plan --accept`.',
  },
  EXPORT_INCOMPLETE: {
    retryable: true,
    hint: 'Export into the same directory again when devices that hold the rest are on: it goes on where it stopped.',
  },
  IO_FAILED: { retryable: true, hint: 'The disk refused; check space, permissions and its health.' },
  INTERNAL: { retryable: false, hint: 'This is a bug in Peerfold: please report it.' },
} as const satisfies Record<string, { retryable: boolean; hint: string }>

export type ErrorCode = keyof typeof CODES

/** All codes, for documentation and tests. */
export const ERROR_CODES = Object.keys(CODES) as ErrorCode[]

export interface PeerfoldErrorInit {
  cause?: unknown
  /** @default the code's own */
  retryable?: boolean
  /** @default the code's own */
  hint?: string
  /** Facts for programs: paths, positions, indices. */
  details?: Record<string, unknown>
}

/**
 * The one error class of Peerfold.
 *
 * @example
 * ```ts
 * try {
 *   await workspace.stat('missing.txt')
 * } catch (error) {
 *   if (isPeerfoldError(error, 'NOT_FOUND')) console.log(error.hint)
 *   else throw error
 * }
 * ```
 */
export class PeerfoldError extends Error {
  override readonly name = 'PeerfoldError'
  readonly code: ErrorCode
  /** Whether the same call may succeed later without anyone changing anything in it. */
  readonly retryable: boolean
  /** What a person can do about it. */
  readonly hint: string
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, init: PeerfoldErrorInit = {}) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause })
    this.code = code
    this.retryable = init.retryable ?? CODES[code].retryable
    this.hint = init.hint ?? CODES[code].hint
    this.details = init.details ?? {}
  }
}

/** Whether `error` is a `PeerfoldError`, and of that code when one is given. */
export function isPeerfoldError(error: unknown, code?: ErrorCode): error is PeerfoldError {
  return error instanceof PeerfoldError && (code === undefined || error.code === code)
}

/** A failed call of the `FileSystem` port. `errno` is the platform's name for it, such as `ENOENT`. */
export class FileSystemError extends Error {
  override readonly name = 'FileSystemError'
  readonly errno: string
  readonly path: string

  constructor(errno: string, path: string, init: { cause?: unknown } = {}) {
    super(`${errno}: ${path}`, init)
    this.errno = errno
    this.path = path
  }
}
