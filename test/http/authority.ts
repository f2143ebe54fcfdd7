// Real certificates, made with openssl: an authority, those whom it knows, and those who try all the same.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

export interface Pair {
  readonly cert: string
  readonly key: string
}

export interface Authority {
  /** The file of its own certificate. */
  readonly ca: string
  /**
   * A certificate that it signs.
   *
   * @param san as openssl takes it: `URI:spiffe://shop/viewer`; none without one
   */
  issue(name: string, san: string | undefined, validity?: readonly string[]): Pair
  /** The same, for so many seconds. */
  issueBriefly(name: string, san: string, seconds: number): Pair
}

const days = ['-days', '2']
/** One that has ended: openssl takes a negative number of days. */
export const expired = ['-days', '-1']

/** @param folder where its files are put */
export function makeAuthority(folder: string, name = 'ca'): Authority {
  const at = (file: string) => path.join(folder, file)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const ca: Pair = { cert: at(`${name}.pem`), key: at(`${name}.key`) }
  openssl(
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    ca.key,
    '-out',
    ca.cert,
    '-subj',
    `/CN=${name}`,
    ...days,
  )
  return {
    ca: ca.cert,
    issue(who, san, validity = days) {
      const [cert, key, request, extensions] = [
        `${who}.pem`,
        `${who}.key`,
        `${who}.csr`,
        `${who}.cnf`,
      ].map(at) as [string, string, string, string]
      openssl('req', '-new', ...newKey, '-keyout', key, '-out', request, '-subj', `/CN=${who}`)
      // In a section of its own, a value may hold what the short form could not.
      fs.writeFileSync(
        extensions,
        san === undefined ? '' : `subjectAltName=${san.startsWith('[') ? `@san\n${san}` : san}\n`,
      )
      const from = ['-in', request, '-extfile', extensions]
      openssl(
        'x509',
        '-req',
        ...from,
        '-CA',
        ca.cert,
        '-CAkey',
        ca.key,
        '-CAcreateserial',
        '-out',
        cert,
        ...validity,
      )
      return { cert, key }
    },
    issueBriefly(who, san, seconds) {
      const { cert, key } = this.issue(who, san)
      // `x509` counts in days; `ca` has a clock, and keeps a book.
      const [book, config] = [at('book'), at('book.cnf')]
      fs.writeFileSync(book, '')
      const files = `database=${book}\nserial=${at(`${name}.srl`)}\nnew_certs_dir=${folder}`
      const rules = 'default_md=sha256\npolicy=any\n[any]\ncommonName=optional\n'
      fs.writeFileSync(config, `[ca]\ndefault_ca=a\n[a]\n${files}\n${rules}`)
      const end = new Date(Date.now() + seconds * 1000).toISOString().replace(/[-:T]|\.\d+/g, '')
      const by = ['-config', config, '-cert', ca.cert, '-keyfile', ca.key]
      const request = ['-in', at(`${who}.csr`), '-extfile', at(`${who}.cnf`), '-out', cert]
      openssl('ca', '-batch', '-notext', '-enddate', end, ...by, ...request)
      return { cert, key }
    },
  }
}
