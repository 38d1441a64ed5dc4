import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** Two machines on a cable of their own, made of network namespaces: nothing of it reaches the real network. Needs no privileges. */
export interface Machines extends AsyncDisposable {
  /** What a command line begins with to run on each of them. */
  through: [string[], string[]]
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

const ISOLATED = ['unshare', '--user', '--map-root-user', '--net'] as const

/** Whether this system lets users make network namespaces: Linux does, unless it was told not to. */
export function canMakeMachines(): boolean {
  const [program, ...args] = ISOLATED
  return spawnSync(program, [...args, 'sh', '-c', 'ip link set lo up && command -v nsenter']).status === 0
}

export async function makeMachines(): Promise<Machines> {
  const [program, ...args] = ISOLATED
  const child = spawn(program, [...args, 'sh', '-c', SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'] })
  const { value } = await createInterface({ input: child.stdout as NodeJS.ReadableStream })
    [Symbol.asyncIterator]()
    .next()
  const [left, right] = String(value).split(' ')
  const enter = (pid: string | undefined) => [
    'nsenter',
    '-U',
    '--preserve-credentials',
    '-n',
    '-t',
    String(pid),
  ]
  return {
    through: [enter(left), enter(right)],
    [Symbol.asyncDispose]: () => end(child),
  }
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.stdin?.end('\n')
  await ended
}
