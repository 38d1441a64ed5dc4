import type { Workspace } from '@peerfold/core'
import { type ReactNode, useState } from 'react'
import { count } from '../app/format.js'
import { say, sayFailed } from '../app/toasts.js'
import { joinPath } from '../files/names.js'
import type { Collected } from './collect.js'
import { CollisionDialog } from './collision-dialog.js'
import { type Answer, applyAnswer, type Collisions, findCollisions, withoutSame } from './collisions.js'
import { useTransfers } from './context.js'

interface Question {
  collected: Collected
  collisions: Collisions
  folder: string
}

export interface Uploader {
  /** Uploads what was collected into a folder; asks first when something is there already. */
  upload(collecting: Promise<Collected | undefined>, folder: string): Promise<void>
  dialog: ReactNode
}

export function useUpload(workspace: Workspace): Uploader {
  const { uploads } = useTransfers()
  const [question, setQuestion] = useState<Question>()

  const begin = async ({ files, folders }: Collected, folder: string) => {
    for (const path of folders) await workspace.mkdir(joinPath(folder, path))
    await uploads.add(
      files.map(({ path, ...source }) => ({
        ...source,
        workspace: workspace.id,
        path: joinPath(folder, path),
      })),
    )
    // A browser that was asked to keep what a site stores does not throw it away when it runs out of space.
    if (files.length > 0) await navigator.storage?.persist?.()
  }

  const upload = async (collecting: Promise<Collected | undefined>, folder: string) => {
    try {
      const collected = await collecting
      if (collected === undefined) return
      const collisions = await findCollisions(workspace, folder, collected)
      const fresh = withoutSame(collected, collisions)
      const same = collected.files.length - fresh.files.length
      if (same > 0) say(`${count(same, 'file was', 'files were')} here already, unchanged`)
      if (fresh.files.some(({ path }) => collisions.items.has(path))) {
        setQuestion({ collected: fresh, collisions, folder })
      } else {
        await begin(fresh, folder)
      }
    } catch (error) {
      sayFailed('The upload did not start', error)
    }
  }

  const answer = (chosen: Answer) => {
    if (question === undefined) return
    setQuestion(undefined)
    const { collected, collisions, folder } = question
    begin(applyAnswer(collected, collisions, chosen), folder).catch((error: unknown) =>
      sayFailed('The upload did not start', error),
    )
  }
  const dialog = question !== undefined && (
    <CollisionDialog
      paths={question.collected.files
        .map(({ path }) => path)
        .filter((path) => question.collisions.items.has(path))}
      onAnswer={answer}
      onClose={() => setQuestion(undefined)}
    />
  )
  return { upload, dialog }
}
