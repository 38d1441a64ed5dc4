import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs/promises'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type HttpFixture, startFixture } from './harness.js'

let directory: string
const hasOpenssl = canRun()

function canRun(): boolean {
  try {
    execFileSync('openssl', ['version'])
    return true
  } catch {
    return false
  }
}

beforeAll(async () => {
  directory = await fs.mkdtemp(join(tmpdir(), 'peerfold-relay-tls-'))
})

afterAll(() => fs.rm(directory, { recursive: true, force: true }))

const files = () => ({ tlsCert: join(directory, 'cert.pem'), tlsKey: join(directory, 'key.pem') })

function makeCertificate(name: string): void {
  const { tlsCert, tlsKey } = files()
  const subject = ['-subj', `/CN=${name}`, '-days', '2']
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  execFileSync('openssl', ['req', '-x509', ...key, ...subject, '-out', tlsCert, '-keyout', tlsKey], {
    stdio: 'ignore',
  })
}

/** Status, and whom the certificate names. */
function get({ port }: HttpFixture): Promise<{ status: number | undefined; name: string }> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path: '/livez', rejectUnauthorized: false, agent: false }
    const asked = request(options, (response) => {
      const { CN } = (response.socket as TLSSocket).getPeerCertificate().subject
      response.resume()
      resolve({ status: response.statusCode, name: String(CN) })
    })
    asked.on('error', reject)
    asked.end()
  })
}

describe.runIf(hasOpenssl)('with a certificate of its own', () => {
  test('it speaks TLS only, and takes up a renewed one without a restart; a broken one leaves the old', async () => {
    makeCertificate('first.example')
    const http = await startFixture(files())
    try {
      expect(http.url).toMatch(/^https:/)
      expect(await get(http)).toEqual({ status: 200, name: 'first.example' })
      expect(await http.raw('GET /livez HTTP/1.1\r\nHost: relay\r\n\r\n')).not.toContain('200')
      makeCertificate('second.example')
      expect((await get(http)).name).toBe('first.example')
      await http.server.reload()
      expect((await get(http)).name).toBe('second.example')
      await fs.writeFile(files().tlsCert, 'nonsense')
      await expect(http.server.reload()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      expect((await get(http)).name).toBe('second.example')
    } finally {
      await http.close()
    }
  })
})
