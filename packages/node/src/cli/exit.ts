/** Exit codes of the command line. */
export const EXIT = { ok: 0, failed: 1, usage: 2, noPeers: 3, timeout: 4, interrupted: 130 } as const

/** Ends the command with a code when everything was said already. */
export class ExitError extends Error {
  readonly exitCode: number

  constructor(exitCode: number) {
    super(`exit ${exitCode}`)
    this.exitCode = exitCode
  }
}
