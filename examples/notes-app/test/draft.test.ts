import { createTestPeers, type TestPeers } from '@peerfold/core/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Draft } from '../src/draft.js'
import { attach, attachmentsOf, createNote, fileOf, keepBoth, noteIn, removeNote } from '../src/notes.js'

/** Two devices of one user in this process, with one workspace. */
let peers: TestPeers
const drafts: Draft[] = []

/** On a busy machine, too. */
const soon = <T>(read: () => T) => expect.poll(read, { timeout: 30_000 })

beforeEach(async () => {
  peers = await createTestPeers(2)
})
afterEach(async () => {
  for (const draft of drafts.splice(0)) draft[Symbol.dispose]()
  await peers[Symbol.asyncDispose]()
})

async function notesOnBoth() {
  const [laptop, phone] = peers.devices as [(typeof peers.devices)[0], (typeof peers.devices)[0]]
  const here = await laptop.workspaces.create('Notes')
  const note = await createNote(here, 'bread')
  await laptop.settled()
  return { here, there: await phone.workspaces.open('Notes'), note }
}

type Notes = Awaited<ReturnType<typeof notesOnBoth>>['here']

async function draftOf(workspace: Notes, note: string, moved: string[] = []): Promise<Draft> {
  const draft = new Draft(workspace, note, (_, copy) => moved.push(copy))
  drafts.push(draft)
  await soon(() => draft.value.text).toBeDefined()
  return draft
}

async function textsIn(workspace: Notes): Promise<string[]> {
  const texts: string[] = []
  for await (const { path } of workspace.list(''))
    if (noteIn(path) !== undefined) texts.push(await workspace.read(path).text())
  return texts.sort()
}

test('what is typed is saved, and what another device writes is shown', async () => {
  const { here, there, note } = await notesOnBoth()
  const draft = await draftOf(here, note)
  draft.edit('bread, tea')
  expect(draft.value).toEqual({ text: 'bread, tea', saved: false })
  await soon(() => draft.value.saved).toBe(true)
  expect(await here.read(fileOf(note)).text()).toBe('bread, tea')
  await peers.devices[0]!.settled()
  await there.write(fileOf(note), 'bread, tea, honey')
  await soon(() => draft.value).toEqual({ text: 'bread, tea, honey', saved: true })
})

test('text typed over a note that changed meanwhile becomes a note of its own', async () => {
  const { here, note } = await notesOnBoth()
  const moved: string[] = []
  const draft = await draftOf(here, note, moved)
  draft.edit('what I typed')
  await here.write(fileOf(note), 'what another tab wrote')
  await soon(() => draft.value.saved).toBe(true)
  expect(draft.value.text).toBe('what I typed')
  expect(await textsIn(here)).toEqual(['what I typed', 'what another tab wrote'].sort())
  expect(moved).toHaveLength(1)
  expect(await here.read(fileOf(moved[0]!)).text()).toBe('what I typed')

  draft.edit('what I typed, and more')
  await soon(() => draft.value.saved).toBe(true)
  expect(await here.read(fileOf(moved[0]!)).text()).toBe('what I typed, and more')
})

test('text typed into a note that was removed meanwhile is kept', async () => {
  const { here, note } = await notesOnBoth()
  const draft = await draftOf(here, note)
  draft.edit('still needed')
  await removeNote(here, note)
  await soon(() => textsIn(here)).toEqual(['still needed'])
})

test('a draft that is closed saves what was typed, unless it is to be removed', async () => {
  const { here, note } = await notesOnBoth()
  const closed = await draftOf(here, note)
  closed.edit('the last word')
  closed[Symbol.dispose]()
  await soon(() => textsIn(here)).toEqual(['the last word'])

  const discarded = await draftOf(here, note)
  discarded.edit('not needed')
  discarded.discard()
  await removeNote(here, note)
  discarded[Symbol.dispose]()
  // A moment in which it would come back.
  await createNote(here, 'another')
  expect(await textsIn(here)).toEqual(['another'])
})

test('edits on two devices without a connection are both kept, as two notes', async () => {
  const { here, there, note } = await notesOnBoth()
  const draft = await draftOf(here, note)
  peers.hub.partition(peers.devices.map(({ device }) => [device.peer]))
  draft.edit('from here')
  await soon(() => draft.value.saved).toBe(true)
  await there.write(fileOf(note), 'from there')
  peers.hub.heal()
  await soon(async () => (await here.stat(fileOf(note))).conflict).toBe(true)

  // While it lasts, nothing is written over either.
  draft.edit('from here, and more')
  await soon(() => draft.value.saved).toBe(true)
  expect((await here.stat(fileOf(note))).conflict).toBe(true)
  await keepBoth(here, note)
  expect((await here.stat(fileOf(note))).conflict).toBe(false)
  expect(await textsIn(here)).toEqual(['from here', 'from here, and more', 'from there'])
})

test('attachments of one name lie beside each other, and go with their note', async () => {
  const { here, note } = await notesOnBoth()
  const signal = new AbortController().signal
  for (const content of ['one', 'two'])
    await attach(here, note, new File([content], 'photo.jpg'), { signal, onProgress: () => {} })
  const names: string[] = []
  for await (const { name } of here.list(attachmentsOf(note))) names.push(name)
  expect(names.sort()).toEqual(['photo (2).jpg', 'photo.jpg'])
  expect(await here.read(`${attachmentsOf(note)}/photo (2).jpg`).text()).toBe('two')
  await removeNote(here, note)
  const left: string[] = []
  for await (const { path } of here.list('', { recursive: true })) left.push(path)
  expect(left).toEqual([])
})
