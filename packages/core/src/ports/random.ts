/** Randomness, injectable so that simulations replay under a seed. Production uses the platform's CSPRNG. */
export interface Random {
  bytes(length: number): Uint8Array
}
