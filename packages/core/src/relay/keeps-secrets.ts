/** Names of this machine itself: what is sent there passes no wire. Not what merely begins with them, such as `localhost.example`. */
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/** Whether a token may be sent to a URL: by TLS to anywhere, without it to this machine only (PROTOCOL.md §10.8). */
export function keepsSecrets(url: string): boolean {
  try {
    const { protocol, hostname, username } = new URL(url)
    if (username !== '') return false
    return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.test(hostname))
  } catch {
    return false
  }
}
