import { isPeerfoldError, PeerfoldError } from '../errors.js'
import { probeDisk } from '../folder/disk-traits.js'
import { describeFailure } from '../folder/guard.js'
import { forEachParallel } from '../folder/parallel.js'
import type { Clock } from '../ports/clock.js'
import type { FileSystem } from '../ports/file-system.js'
import type { Random } from '../ports/random.js'
import { layOutHistory } from './history-layout.js'
import { type ExportFile, layOut } from './layout.js'
import { type ExportDirectory, endExport, openExportDirectory } from './state.js'
import type { ExportOptions, ExportReport, ExportSource } from './types.js'
import { ExportWriter } from './writer.js'

export interface ExportInit {
  source: ExportSource
  files: FileSystem
  clock: Clock
  random: Random
}

const WRITERS = 4
const BATCH = 256
const PATIENCE_MS = 20_000
const LOOK_MS = 250
const NOWHERE = {
  code: 'BLOCKS_UNAVAILABLE',
  message: 'its content is not here, and no device in reach gave it',
}

/**
 * Writes a workspace as plain files into a directory that is new, empty, or was begun by an export that did not come to its end. Nothing that lies
 * there is overwritten. The tree is that of one moment; content that is not here is fetched while devices give it.
 *
 * @returns what was written, and all that is lacking
 * @throws {PeerfoldError} `ALREADY_EXISTS`, `NOT_A_FOLDER`, `FOLDER_NOT_FOUND`, `IO_FAILED` when the disk is full or refuses
 */
export async function exportWorkspace(
  init: ExportInit,
  directory: string,
  options: ExportOptions = {},
): Promise<ExportReport> {
  const to = await openExportDirectory(init.files, directory, init.source.id)
  const report: ExportReport = { files: 0, folders: 0, kept: 0, bytes: 0, renamed: [], lacking: [] }
  await new Export(init, to, report, options).run()
  if (report.lacking.length === 0) await endExport(init.files, directory)
  return report
}

/** One run. */
class Export {
  readonly #absent: ExportFile[] = []
  /** When (monotonic milliseconds) something last came forward. */
  #moved: number
  #done = 0
  #bytes = 0

  constructor(
    private readonly init: ExportInit,
    private readonly to: ExportDirectory,
    private readonly report: ExportReport,
    private readonly options: ExportOptions,
  ) {
    this.#moved = init.clock.monotonic()
  }

  async run(): Promise<void> {
    const { source, files, random } = this.init
    const { history = false, signal } = this.options
    const { names: rules } = await probeDisk(files, this.to.tmp, random)
    const layout = await layOut(source, rules, { signal })
    const { report, to } = this
    report.renamed.push(...layout.renamed)
    const stop = signal ?? new AbortController().signal
    const onDone = (bytes: number) => this.#advance(1, bytes)
    const writer = new ExportWriter({ source, files, random, to, rules, report, signal: stop, onDone })
    for (const folder of layout.folders) await writer.makeFolder(folder)
    await this.#writeAll(writer, layout.files)
    if (history) await this.#writeAll(writer, layOutHistory(source, rules, report.renamed, { signal }))
    await this.#fetchAbsent(writer)
    await writer.sync()
  }

  #advance(files: number, bytes: number): void {
    this.#moved = this.init.clock.monotonic()
    this.#done += files
    this.#bytes += bytes
    this.options.onProgress?.({ files: this.#done, bytes: this.#bytes })
  }

  /** What is here, at once. */
  async #writeAll(
    writer: ExportWriter,
    files: Iterable<ExportFile> | AsyncIterable<ExportFile>,
  ): Promise<void> {
    const { signal } = this.options
    const write = async (file: ExportFile) => {
      signal?.throwIfAborted()
      const here = await this.init.source.available(file.version.content, { signal })
      if (!here || !(await writer.write(file))) this.#absent.push(file)
    }
    for await (const batch of batches(files)) await forEachParallel(batch, WRITERS, write)
  }

  /** What is elsewhere, for as long as it comes. */
  async #fetchAbsent(writer: ExportWriter): Promise<void> {
    if (this.#absent.length === 0) return
    const stalled = new AbortController()
    const over = new AbortController()
    const watching = this.#watch(stalled, over.signal)
    try {
      await forEachParallel(this.#absent, WRITERS, async (file) => {
        if (!(await this.#fetchOne(writer, file, stalled.signal))) this.#lack(file, NOWHERE)
      })
    } finally {
      over.abort()
      await watching
    }
  }

  async #fetchOne(writer: ExportWriter, file: ExportFile, stalled: AbortSignal): Promise<boolean> {
    const { signal } = this.options
    const either = signal === undefined ? stalled : AbortSignal.any([signal, stalled])
    const onProgress = (bytes: number) => this.#advance(0, bytes)
    try {
      await this.init.source.fetch(file.version.content, { signal: either, onProgress })
    } catch (error) {
      signal?.throwIfAborted()
      if (stalled.aborted || isPeerfoldError(error, 'BLOCKS_UNAVAILABLE')) return false
      const failure = describeFailure(error)
      if (failure === undefined) throw error
      this.#lack(file, failure)
      return true
    }
    return await writer.write(file)
  }

  /** Ends the waiting once nothing has moved for too long. */
  async #watch(stalled: AbortController, over: AbortSignal): Promise<void> {
    const { clock } = this.init
    const { patienceMs = PATIENCE_MS } = this.options
    this.#moved = clock.monotonic()
    while (!over.aborted && clock.monotonic() - this.#moved < patienceMs)
      await clock.sleep(Math.min(LOOK_MS, patienceMs), { signal: over }).catch(() => {})
    if (!over.aborted) stalled.abort(new PeerfoldError('BLOCKS_UNAVAILABLE', 'no device gives it'))
  }

  #lack({ path, target, version }: ExportFile, failure: { code: string; message: string }): void {
    this.report.lacking.push({ path, as: target, version: version.id, ...failure })
  }
}

async function* batches(
  files: Iterable<ExportFile> | AsyncIterable<ExportFile>,
): AsyncGenerator<ExportFile[]> {
  let batch: ExportFile[] = []
  for await (const file of files) {
    batch.push(file)
    if (batch.length < BATCH) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
