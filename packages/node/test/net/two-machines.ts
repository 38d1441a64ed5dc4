import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** Two machines on one local network. */
export interface Machines extends AsyncDisposable {
  /** What a command line begins with to run on each of them. */
  through: [string[], string[]]
}

/** How two machines are had here. */
export interface MachineMaker {
  name: string
  make(): Promise<Machines>
}

const SCRIPT = `
set -e
ip link set lo up
ip link add left type veth peer name right
unshare -n sleep infinity &
other=$!
trap 'kill $other' EXIT
while [ "$(readlink /proc/$other/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do :; done
ip link set right netns $other
ip addr add 10.77.0.1/24 dev left
ip link set left up
ip route add 224.0.0.0/4 dev left
nsenter -t $other -n sh -ec '
  ip link set lo up
  ip addr add 10.77.0.2/24 dev right
  ip link set right up
  ip route add 224.0.0.0/4 dev right'
echo $$ $other
read -r end || true
`

/** Network namespaces: by way of a user namespace without privileges, where the system lets users make them; else as root. */
const WAYS = [
  { isolate: ['unshare', '--user', '--map-root-user', '--net'], enter: ['-U', '--preserve-credentials'] },
  { isolate: ['unshare', '--net'], enter: [] },
]

/**
 * Two machines on a cable of their own, of which nothing reaches the real network; where this system makes none, two devices on this machine, if
 * it hears its own multicasts; undefined where it does not.
 */
export async function findMachines(): Promise<MachineMaker | undefined> {
  const way = WAYS.find(isAllowed)
  if (way !== undefined) return { name: 'a cable between network namespaces', make: () => connect(way) }
  return (await hearsItself()) ? { name: 'this machine', make: async () => here() } : undefined
}

function isAllowed({ isolate: [program, ...args] }: (typeof WAYS)[number]): boolean {
  const needs = 'ip link set lo up && ip link add left type veth peer name right && command -v nsenter'
  return spawnSync(program as string, [...args, 'sh', '-c', needs]).status === 0
}

async function connect({ isolate, enter }: (typeof WAYS)[number]): Promise<Machines> {
  const [program, ...args] = isolate as [string, ...string[]]
  const child = spawn(program, [...args, 'sh', '-c', SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'] })
  const { value } = await createInterface({ input: child.stdout as NodeJS.ReadableStream })
    [Symbol.asyncIterator]()
    .next()
  const [left, right] = String(value).split(' ')
  const into = (pid: string | undefined) => ['nsenter', ...enter, '-n', '-t', String(pid)]
  return {
    through: [into(left), into(right)],
    [Symbol.asyncDispose]: () => end(child),
  }
}

function here(): Machines {
  return { through: [[], []], [Symbol.asyncDispose]: async () => {} }
}

const MDNS_GROUP = '224.0.0.251'

/** Whether a multicast of this machine, which goes no further, comes back to it. */
async function hearsItself(): Promise<boolean> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  try {
    const heard = once(socket, 'message', { signal: AbortSignal.timeout(1000) })
    heard.catch(() => {})
    socket.bind(0)
    await once(socket, 'listening')
    socket.addMembership(MDNS_GROUP)
    socket.setMulticastTTL(0)
    socket.send('anybody?', socket.address().port, MDNS_GROUP)
    await heard
    return true
  } catch {
    return false
  } finally {
    socket.close()
  }
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.stdin?.end('\n')
  await ended
}
