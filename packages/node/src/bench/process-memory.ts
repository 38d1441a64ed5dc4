import { readFile } from 'node:fs/promises'

/** Peak resident memory of a process, its worker threads included, in bytes. Linux only. */
export async function peakMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]
  if (kibibytes === undefined) throw new Error(`no VmHWM for process ${pid}`)
  return Number(kibibytes) * 1024
}
