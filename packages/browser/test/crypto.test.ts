import { createWebCrypto } from '@peerfold/core/platform'
import { cryptoSuite } from '@peerfold/core/testing'
import { describe, test } from 'vitest'

describe('WebCrypto in this browser', () => cryptoSuite({ describe, test }, () => createWebCrypto()))
