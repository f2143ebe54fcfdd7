// /proc/PID/net and fd: the TCP sockets of a process and of its network namespace.
//
// https://man7.org/linux/man-pages/man5/proc_pid_net.5.html
//
// The trap: net/tcp lists the sockets of the whole namespace; which of them are the
// process's own only its descriptors tell, and those need permission.

import fs from 'node:fs'
import { attempt, readProc, withReason } from './proc.ts'

export interface Listener {
  /** `127.0.0.1`, `::`, as the process bound it. */
  readonly address: string
  readonly port: number
}

/** A TCP socket of a network namespace, whoever has it. */
export interface Socket extends Listener {
  readonly state: 'listening' | 'connected' | 'other'
  /** 0 when no process has it any more. */
  readonly inode: number
}

/**
 * The TCP ports on which this very process listens, in its own network namespace.
 *
 * @throws {ProfilerError} `SP_NOT_PERMITTED` where its descriptors may not be read
 */
export function readListeners(pid: number): Listener[] {
  const own = new Set<number>()
  for (const fd of withReason(pid, () => fs.readdirSync(`/proc/${pid}/fd`))) {
    const link = attempt(() => fs.readlinkSync(`/proc/${pid}/fd/${fd}`))
    const inode = /^socket:\[(\d+)\]$/.exec(link ?? '')?.[1]
    if (inode !== undefined) own.add(Number(inode))
  }
  return readSockets(pid)
    .filter(({ state, inode }) => state === 'listening' && own.has(inode))
    .map(({ address, port }) => ({ address, port }))
}

/** All TCP sockets of the network namespace that the process is in. Needs no permission. */
export function readSockets(pid: number): Socket[] {
  return ['tcp', 'tcp6'].flatMap(table => {
    const text = attempt(() => readProc(pid, `net/${table}`, maxSocketBytes).toString('latin1'))
    return (text ?? '').split('\n').flatMap(line => {
      const [, local, , state = '', , , , , , inode] = line.trim().split(/\s+/)
      const [address, port] = (local ?? '').split(':')
      if (inode === undefined || port === undefined) return []
      return [
        {
          address: readAddress(address!),
          port: Number.parseInt(port, 16),
          state: socketStates.get(state) ?? ('other' as const),
          inode: Number(inode),
        },
      ]
    })
  })
}

// TCP_LISTEN and TCP_ESTABLISHED of the kernel's tcp_states.h.
const socketStates: ReadonlyMap<string, Socket['state']> = new Map([
  ['0A', 'listening'],
  ['01', 'connected'],
])
// 100,000 connections of 150 bytes each.
const maxSocketBytes = 16 << 20

/** Words of 32 bits in the byte order of the machine, of which each holds four bytes of the address. */
function readAddress(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap(word => [...Buffer.from(word, 'hex').reverse()])
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, at) =>
    ((bytes[2 * at]! << 8) | bytes[2 * at + 1]!).toString(16),
  )
  // As everybody writes the two that matter here.
  const full = groups.join(':')
  return full === '0:0:0:0:0:0:0:0' ? '::' : full === '0:0:0:0:0:0:0:1' ? '::1' : full
}
