import { describe, test } from 'vitest'
import { campaign } from './campaign.js'
import { converges, leavesAlone, publishesNothing } from './history.js'

/**
 * Random histories: people work in the folder and in the workspace, on disks of all kinds, while calls fail, saves come in between and the
 * process is killed. Once that ends, disk and workspace must become one within 200 rounds, and what nobody has undone must not be lost.
 */
describe('disk and workspace converge', () => {
  campaign('whatever happened to either', 2_000, converges)

  campaign('where nobody else works, all stays as it was left', 500, leavesAlone)
  campaign('where nobody works, nothing is published', 500, publishesNothing)

  // Histories that once failed.
  pinned(converges, [
    [
      1_476_895_615,
      'a write after the file had gone to the trash was found, and the round said to be the last',
    ],
    [1_024_603_289, 'a file was linked into the trash, the next call failed, and the link stayed'],
    [1_960_971_971, 'a temporary file could not be removed, and stayed'],
    [
      1_623_976_652,
      'a file was saved by rename while it was being moved, and the save was removed with the old name',
    ],
    [
      1_031_512_193,
      'killed while a file was replaced, and another took its place: the trash did not know the old one',
    ],
    [
      1_055_924_630,
      'a temporary name could not be removed, and the file that had just been saved at the new one was removed instead',
    ],
    [37_171_094, 'killed at a call that outlived its round: the model went on with the dead process'],
    [
      1_200_920_277,
      'a file was replaced, then written to by a program that still had it open: nobody was to find that',
    ],
    [
      229_140_904,
      'on a disk without hard links, a file came to a place in the moment that nobody can close, spelled in another case',
    ],
    [
      290_919_514,
      'bytes that were read after the scan were taken for those of the fingerprint from before, and a later write for them',
    ],
    [
      1_341_586_040,
      'a file was written to right after it had been read, and the commit came so late that its fingerprint was trusted',
    ],
    [
      6_562_098,
      'a file could not be read once, was edited in a folder that others had removed, and was never said',
    ],
  ])

  pinned(leavesAlone, [
    [801_585_022, 'an edit was published before the move of its file, and took the old name for the new one'],
    [
      1_976_736_445,
      'a file took the place of a removed folder in a folder that had moved, and the folder came back',
    ],
    [
      1_027_453_856,
      'a folder took the place of a renamed file in a folder that had moved, and the file came back beside its new name',
    ],
  ])
  pinned(publishesNothing, [
    [1_636_804_765, 'a file lay in its place, the look at it failed, and it was taken for a person’s'],
    [11_503_429, 'a folder was made, the process killed, and others removed it'],
    [
      2_074_863_771,
      'time and mode of a version came to the disk of another content: what lay there was said as an edit of it',
    ],
    [988_647_740, 'a folder was moved into one that then moved, too'],
    [2_015_600_076, 'a file that was aside came back to where its folder had been'],
  ])
})

function pinned(
  run: (seed: number) => Promise<void>,
  histories: ReadonlyArray<readonly [number, string]>,
): void {
  for (const [seed, what] of histories) test(`history ${seed}: ${what}`, () => run(seed))
}
