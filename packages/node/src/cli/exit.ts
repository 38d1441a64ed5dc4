/** Exit codes of the command line. */
export const EXIT = { ok: 0, failed: 1, usage: 2, noPeers: 3, timeout: 4, interrupted: 130 } as const
