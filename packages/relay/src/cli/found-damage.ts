/** What `verify` ends with when it found damage: said on stdout already. */
export class FoundDamage extends Error {}
