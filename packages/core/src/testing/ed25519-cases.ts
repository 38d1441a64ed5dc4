/**
 * Ed25519 verdicts, with bytes made by hand. Each attack has the honest signature, or one that differs in a detail, as its twin. Several of
 * the refused ones pass in libraries that verify loosely. All texts are lower-case hexadecimal, messages are UTF-8.
 */
export interface Ed25519Case {
  name: string
  publicKey: string
  message: string
  signature: string
  valid: boolean
}

export const ED25519_CASES: readonly Ed25519Case[] = [
  {
    name: 'an honest signature',
    publicKey: '66be7e332c7a453332bd9d0a7f7db055f5c5ef1a06ada66d98b39fb6810c473a',
    message: 'a saved byte is never lost',
    signature:
      '5101047b5a2f42bd4e7dc3a5b0b50ce200b7d0ddb1e0032a8072b6b6d85b0aece3cb0b148c8f72a62cfa0a26a6450310be5b2162cb41c674a1ce4e7894882e0a',
    valid: true,
  },
  {
    name: 'a malleated signature: S + L',
    publicKey: '66be7e332c7a453332bd9d0a7f7db055f5c5ef1a06ada66d98b39fb6810c473a',
    message: 'a saved byte is never lost',
    signature:
      '5101047b5a2f42bd4e7dc3a5b0b50ce200b7d0ddb1e0032a8072b6b6d85b0aecd09f0171a6f284fe029702c9843fe224be5b2162cb41c674a1ce4e7894882e1a',
    valid: false,
  },
  {
    name: 'a malleated signature: S + 8 L',
    publicKey: '66be7e332c7a453332bd9d0a7f7db055f5c5ef1a06ada66d98b39fb6810c473a',
    message: 'a saved byte is never lost',
    signature:
      '5101047b5a2f42bd4e7dc3a5b0b50ce200b7d0ddb1e0032a8072b6b6d85b0aec4b6bbafb5ea80567dfe0c73d9b14fbb6be5b2162cb41c674a1ce4e7894882e8a',
    valid: false,
  },
  {
    name: 'a flipped bit in S',
    publicKey: '66be7e332c7a453332bd9d0a7f7db055f5c5ef1a06ada66d98b39fb6810c473a',
    message: 'a saved byte is never lost',
    signature:
      '5101047b5a2f42bd4e7dc3a5b0b50ce200b7d0ddb1e0032a8072b6b6d85b0aece2cb0b148c8f72a62cfa0a26a6450310be5b2162cb41c674a1ce4e7894882e0a',
    valid: false,
  },
  {
    name: 'a flipped bit in R',
    publicKey: '66be7e332c7a453332bd9d0a7f7db055f5c5ef1a06ada66d98b39fb6810c473a',
    message: 'a saved byte is never lost',
    signature:
      '5001047b5a2f42bd4e7dc3a5b0b50ce200b7d0ddb1e0032a8072b6b6d85b0aece3cb0b148c8f72a62cfa0a26a6450310be5b2162cb41c674a1ce4e7894882e0a',
    valid: false,
  },
  {
    name: 'the sign bit of R flipped',
    publicKey: '66be7e332c7a453332bd9d0a7f7db055f5c5ef1a06ada66d98b39fb6810c473a',
    message: 'a saved byte is never lost',
    signature:
      '5101047b5a2f42bd4e7dc3a5b0b50ce200b7d0ddb1e0032a8072b6b6d85b0a6ce3cb0b148c8f72a62cfa0a26a6450310be5b2162cb41c674a1ce4e7894882e0a',
    valid: false,
  },
  {
    name: 'another message',
    publicKey: '66be7e332c7a453332bd9d0a7f7db055f5c5ef1a06ada66d98b39fb6810c473a',
    message: 'a saved byte is never lost?',
    signature:
      '5101047b5a2f42bd4e7dc3a5b0b50ce200b7d0ddb1e0032a8072b6b6d85b0aece3cb0b148c8f72a62cfa0a26a6450310be5b2162cb41c674a1ce4e7894882e0a',
    valid: false,
  },
  {
    name: 'a key of small order (identity), S = 1, R = B',
    publicKey: '0100000000000000000000000000000000000000000000000000000000000000',
    message: 'a saved byte is never lost',
    signature:
      '58666666666666666666666666666666666666666666666666666666666666660100000000000000000000000000000000000000000000000000000000000000',
    valid: false,
  },
  {
    name: 'a key of small order (order 2), S = 1, R = B',
    publicKey: 'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    message: 'a saved byte is never lost',
    signature:
      '58666666666666666666666666666666666666666666666666666666666666660100000000000000000000000000000000000000000000000000000000000000',
    valid: false,
  },
  {
    name: 'a key of small order (order 4), S = 1, R = B',
    publicKey: '0000000000000000000000000000000000000000000000000000000000000000',
    message: 'a saved byte is never lost',
    signature:
      '58666666666666666666666666666666666666666666666666666666666666660100000000000000000000000000000000000000000000000000000000000000',
    valid: false,
  },
  {
    name: 'a key of small order (order 4, negative), S = 1, R = B',
    publicKey: '0000000000000000000000000000000000000000000000000000000000000080',
    message: 'a saved byte is never lost',
    signature:
      '58666666666666666666666666666666666666666666666666666666666666660100000000000000000000000000000000000000000000000000000000000000',
    valid: false,
  },
  {
    name: 'a key of small order (order 8), S = 1, R = B',
    publicKey: 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    message: 'a saved byte is never lost',
    signature:
      '58666666666666666666666666666666666666666666666666666666666666660100000000000000000000000000000000000000000000000000000000000000',
    valid: false,
  },
  {
    name: 'a key of small order (order 8, negative), S = 1, R = B',
    publicKey: 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
    message: 'a saved byte is never lost',
    signature:
      '58666666666666666666666666666666666666666666666666666666666666660100000000000000000000000000000000000000000000000000000000000000',
    valid: false,
  },
  {
    name: 'a key of small order (order 8, the other y), S = 1, R = B',
    publicKey: '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    message: 'a saved byte is never lost',
    signature:
      '58666666666666666666666666666666666666666666666666666666666666660100000000000000000000000000000000000000000000000000000000000000',
    valid: false,
  },
  {
    name: 'a key of small order (order 8, the other y, negative), S = 1, R = B',
    publicKey: '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
    message: 'a saved byte is never lost',
    signature:
      '58666666666666666666666666666666666666666666666666666666666666660100000000000000000000000000000000000000000000000000000000000000',
    valid: false,
  },
  {
    name: 'the identity as key and as R, S = 0',
    publicKey: '0100000000000000000000000000000000000000000000000000000000000000',
    message: 'a saved byte is never lost',
    signature:
      '01000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000',
    valid: false,
  },
  {
    name: 'R of small order',
    publicKey: '66be7e332c7a453332bd9d0a7f7db055f5c5ef1a06ada66d98b39fb6810c473a',
    message: 'a saved byte is never lost',
    signature:
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037ae3cb0b148c8f72a62cfa0a26a6450310be5b2162cb41c674a1ce4e7894882e0a',
    valid: false,
  },
  {
    name: 'a non-canonical identity key (y = p + 1)',
    publicKey: 'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    message: 'a saved byte is never lost',
    signature:
      '58666666666666666666666666666666666666666666666666666666666666660100000000000000000000000000000000000000000000000000000000000000',
    valid: false,
  },
  {
    name: 'a non-canonical key (y = p + 3)',
    publicKey: 'f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    message: 'a saved byte is never lost',
    signature:
      '58666666666666666666666666666666666666666666666666666666666666660100000000000000000000000000000000000000000000000000000000000000',
    valid: false,
  },
  {
    name: 'a non-canonical identity as R (y = p + 1)',
    publicKey: '66be7e332c7a453332bd9d0a7f7db055f5c5ef1a06ada66d98b39fb6810c473a',
    message: 'a saved byte is never lost',
    signature:
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7fe3cb0b148c8f72a62cfa0a26a6450310be5b2162cb41c674a1ce4e7894882e0a',
    valid: false,
  },
  {
    name: 'the identity with the sign of x set as key',
    publicKey: '0100000000000000000000000000000000000000000000000000000000000080',
    message: 'a saved byte is never lost',
    signature:
      '58666666666666666666666666666666666666666666666666666666666666660100000000000000000000000000000000000000000000000000000000000000',
    valid: false,
  },
  {
    name: 'a key that is no point (y = 2)',
    publicKey: '0200000000000000000000000000000000000000000000000000000000000000',
    message: 'a saved byte is never lost',
    signature:
      '5101047b5a2f42bd4e7dc3a5b0b50ce200b7d0ddb1e0032a8072b6b6d85b0aece3cb0b148c8f72a62cfa0a26a6450310be5b2162cb41c674a1ce4e7894882e0a',
    valid: false,
  },
  {
    name: 'a key of mixed order, where the equation holds without the cofactor',
    publicKey: '7e4e361925dcd164be8c1bfc88849d4aea163564a8549042970607b6bc2f916d',
    message: 'mixed 0',
    signature:
      'd9ae0c3e3d29d426a52046b3c2a3ab150e4cfa2c0a3b25a815a191ccafbbc37217fef326af0e7942e30174b6288353bc67615970550f1d5ba8d55b58d1035205',
    valid: true,
  },
  {
    name: 'a key of mixed order, where the equation holds with the cofactor only',
    publicKey: '7e4e361925dcd164be8c1bfc88849d4aea163564a8549042970607b6bc2f916d',
    message: 'mixed 1',
    signature:
      'd9ae0c3e3d29d426a52046b3c2a3ab150e4cfa2c0a3b25a815a191ccafbbc372d34621c9c109527407bf03ee6465d3fa6918158ebd2d1f4c2eedbc8cd2fec805',
    valid: false,
  },
  {
    name: 'R of mixed order, where the equation holds with the cofactor only',
    publicKey: '01e5813293ed9fe1f8134a93902d9b226b28726519320d58224deea9f84748c9',
    message: 'mixed R',
    signature:
      '433fe4163dde74a4a8fae9a94fd84743c5f9119e64b1589f9b499e366f777e9f6de8f0ff643cb4a52ba8b606fb4ede6a9cc974701c3f6affdeed79e99c38fa0e',
    valid: false,
  },
]
