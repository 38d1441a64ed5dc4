/** One long-lived stream from a device to a relay (PROTOCOL.md §10.1). */
export const RELAY_PROTOCOL = '/peerfold/relay/1'
