/** Whether an address leads to its peer by a circuit. Those of WebRTC use one only to begin with. */
export function isCircuit(address: string): boolean {
  return address.includes('/p2p-circuit') && !address.includes('/webrtc')
}
