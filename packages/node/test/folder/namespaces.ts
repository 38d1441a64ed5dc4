import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'

const run = promisify(execFile)
const isRoot = process.getuid?.() === 0

/** Mounts of their own: nothing that is mounted in them is seen outside. */
export interface Mounts extends AsyncDisposable {
  /** What a command line begins with to run among them. */
  through: string[]
  /** A path as it is seen there, for this process. */
  at(path: string): string
  run(program: string, ...args: string[]): Promise<void>
}

/** As root a mount namespace is enough; others get one by way of a user namespace, where the system lets them. */
const PRIVATE = isRoot ? ['unshare', '--mount'] : ['unshare', '--user', '--map-root-user', '--mount']

export function canMount(): boolean {
  const [program, ...args] = PRIVATE as [string, ...string[]]
  return (
    spawnSync(program, [...args, 'sh', '-c', 'mount -t tmpfs none /mnt && command -v nsenter']).status === 0
  )
}

export async function makeMounts(): Promise<Mounts> {
  const [program, ...args] = PRIVATE as [string, ...string[]]
  const child = spawn(program, [...args, 'sh', '-c', 'echo; read -r end || true'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  const pid = String(child.pid)
  const users = isRoot ? [] : ['--user', '--preserve-credentials']
  const through = ['nsenter', ...users, '--mount', '--target', pid, '--']
  return {
    through,
    at: (path) => `/proc/${pid}/root${path}`,
    run: async (command, ...rest) => void (await run('nsenter', [...through.slice(1), command, ...rest])),
    [Symbol.asyncDispose]: () => end(child),
  }
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.stdin?.end('\n')
  await ended
}

const NOBODY = '65534'

/** What a command line begins with so that permissions hold: for root, who may do everything, as somebody else. */
export const WITHOUT_PRIVILEGES = isRoot
  ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
  : []

/** Gives a directory to whom such commands run as. */
export async function giveAway(directory: string): Promise<void> {
  if (isRoot) await run('chown', ['-R', `${NOBODY}:${NOBODY}`, directory])
}
