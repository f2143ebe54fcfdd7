// How one Erlang node comes to speak with another: version 6 of the handshake,
// which every node since OTP 23 takes, and no other one since OTP 26.
// https://www.erlang.org/doc/apps/erts/erl_dist_protocol.html#distribution-handshake
//
//     → N flags creation name       who we are: hidden, and we can take what you must send
//     ← s ok
//     ← N flags challenge creation name
//     → r challenge digest          MD5 of the cookie and their challenge: proves that we know it
//     ← a digest                    of ours: proves that they do
//
// The trap: a node keeps every name that it has heard for ever (an atom), so we
// always have the same one; and it takes a name once at a time, so a second one of
// us is told that it is there already.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { ProfilerError } from '../errors.ts'

export interface Introduction {
  /** What it calls itself: `shop@host`. */
  readonly node: string
  readonly creation: number
}

/** What we are called in `nodes(hidden)` of the target. */
export const ourNode = 'sp-flamegraph@sp-flamegraph'

export const notSpoken = 'what listens there does not speak the distribution protocol'

// What a node must be able to take to be let in (OTP 23 to 29): terms of these kinds, and the bit
// that says so in short. Not among them is DFLAG_PUBLISHED, so that we are hidden and nobody connects
// to us or starts to think that the cluster has grown; nor what would make messages come in pieces
// or with shortened names.
const flags =
  0x4n | // EXTENDED_REFERENCES
  0x10n | // FUN_TAGS
  0x80n | // NEW_FUN_TAGS
  0x100n | // EXTENDED_PIDS_PORTS
  0x200n | // EXPORT_PTR_TAG
  0x400n | // BIT_BINARIES
  0x800n | // NEW_FLOATS
  0x10000n | // UTF8_ATOMS
  0x20000n | // MAP_TAG
  0x40000n | // BIG_CREATION
  0x1000000n | // HANDSHAKE_23
  0x2000000n | // UNLINK_ID
  (1n << 34n) | // V4_NC
  (1n << 36n) // MANDATORY_25_DIGEST

/**
 * @param next what the other end said, without its length
 * @param send with the length before it
 * @throws {ProfilerError} `SP_TOOL_FAILED`, `SP_TOOL_BUSY`, `SP_NOT_PERMITTED` where the cookie is another one
 */
export async function shakeHands(
  cookie: string,
  creation: number,
  next: () => Promise<Buffer | undefined>,
  send: (message: Buffer) => void,
): Promise<Introduction> {
  send(introduce(creation))
  const status = await next()
  if (status === undefined) {
    throw failed('it left at our first word: it may be older than OTP 23, or not let us in')
  }
  checkStatus(status)
  const theirs = await next()
  if (theirs === undefined) throw failed('it left before it said who it is')
  const { challenge, ...introduction } = readChallenge(theirs)
  const ours = randomBytes(4)
  send(Buffer.concat([Buffer.from('r'), ours, digest(cookie, challenge)]))
  const answer = await next()
  if (answer === undefined) {
    throw new ProfilerError(
      'SP_NOT_PERMITTED',
      'the node refuses the cookie that was found: it may have been changed since the node began',
      { facts: { everyWay: true } },
    )
  }
  if (answer[0] !== 0x61 || answer.length !== 17) throw failed('it does not prove the cookie')
  if (!timingSafeEqual(answer.subarray(1), digest(cookie, ours.readUInt32BE(0)))) {
    throw failed('it does not know the cookie')
  }
  return introduction
}

function introduce(creation: number): Buffer {
  const head = Buffer.alloc(15)
  head.write('N', 0, 'latin1')
  head.writeBigUInt64BE(flags, 1)
  head.writeUInt32BE(creation, 9)
  head.writeUInt16BE(ourNode.length, 13)
  return Buffer.concat([head, Buffer.from(ourNode)])
}

function checkStatus(message: Buffer): void {
  const said = message.toString('latin1', 1, 64)
  // TLS begins with other bytes, and so does every other protocol.
  if (message[0] !== 0x73 || !/^[a-z_]+$/.test(said)) {
    throw new ProfilerError('SP_TOOL_FAILED', notSpoken)
  }
  if (said === 'ok' || said === 'ok_simultaneous') return
  if (said === 'alive' || said === 'nok') {
    throw new ProfilerError('SP_TOOL_BUSY', 'another of us is connected to this node')
  }
  throw failed(`it says ${said}`)
}

function readChallenge(message: Buffer): Introduction & { readonly challenge: number } {
  // Version 5, which a node of our flags has no reason for, begins with `n`.
  if (message[0] !== 0x4e || message.length < 19) throw failed('it speaks another version')
  const length = message.readUInt16BE(17)
  const node = message.toString('utf8', 19, 19 + length)
  if (!/^[^\s@\p{Cc}]{1,200}@[^\s@\p{Cc}]{1,255}$/u.test(node)) throw failed('it has no name')
  return { node, challenge: message.readUInt32BE(9), creation: message.readUInt32BE(13) }
}

function digest(cookie: string, challenge: number): Buffer {
  return createHash('md5').update(`${cookie}${challenge}`, 'latin1').digest()
}

function failed(why: string): ProfilerError {
  return new ProfilerError('SP_TOOL_FAILED', `the node does not let us in: ${why}`)
}
