import { describe, test } from 'vitest'
import { campaign } from './campaign.js'
import { survivesShuffling } from './history.js'

/**
 * After Dropbox's CanopyCheck: three correlated random trees, their plans carried out shuffled, in part, and with failing calls, on disks of all
 * kinds. They must become one within 200 rounds, and nothing may be lost.
 */
describe('three trees become one', () => {
  campaign('whatever of a plan was done, and in which order', 3_000, survivesShuffling)

  // Histories that once failed.
  for (const [seed, what] of [
    [125_293_308, 'an item lost its place in the synced tree to another, and was never shown again'],
    [824_563_326, 'so did one on a disk without case'],
    [1_370_604_432, 'one item was put twice in one commit, and kept both places'],
    [
      874_098_192,
      'a file was to take the place of its own folder, which had the name in another case: it never stepped aside',
    ],
    [
      1_229_245_570,
      'a file was to move into the new folder of the name that its old one had: neither was made nor moved',
    ],
    [702_375_710, 'the name to step aside to was taken in another case, round after round'],
    [
      1_383_242_982,
      'an item got the name that others gave it, and with it their version, which the next edit replaced unseen',
    ],
    [2_738_364, 'a removal was announced, and the journal failed: the trash knew a file that never came'],
    [1_383_237_349, 'a call failed after a file had gone to the trash: the trash did not know it'],
    [1_794_499_320, 'a temporary file could not be removed, and stayed'],
    [1_876_301_552, 'a save was lost'],
    [1_638_701_114, 'what was written last was not what was published'],
    [950_179_549, 'a file that was to step aside had changed, and the round broke off'],
    [
      2_128_369_589,
      'a folder moved into one that was still taken to lie in it, and its places went round in a circle',
    ],
    [1_841_582_414, 'so did a folder that was made again inside of what it held'],
    [
      878_542_734,
      'a folder was made again inside of what moved out of it, and a file into that: the round never ended',
    ],
    [
      319_716_557,
      'killed while a file moved that another had taken the place of: it was taken for the synced one',
    ],
    [35_134_820, 'a file was written to just before its time was set: the write was never seen'],
    [739_441_650, 'killed while a file was replaced whose folder then went: the device never started again'],
    [
      2_034_590_337,
      'a file was moved and a folder put in its place: the file got the folder’s fingerprint, and the folder went to the trash for it',
    ],
  ] as const)
    test(`history ${seed}: ${what}`, () => survivesShuffling(seed))
})
