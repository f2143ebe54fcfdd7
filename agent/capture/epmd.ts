// epmd, the port mapper that Erlang nodes register with: which node is on which port.
// https://www.erlang.org/doc/apps/erts/erl_dist_protocol.html#epmd-protocol
//
// The trap: whoever is on the machine may register any name with any port. What it
// says is used only to choose among ports on which the target itself listens.

import net from 'node:net'
import { systemCode } from '../errors.ts'

export interface RegisteredNode {
  /** Before the `@`. */
  readonly name: string
  readonly port: number
}

const namesRequest = Buffer.of(0, 1, 110)
const answerMs = 1000
// A thousand nodes on a machine are 50 KB.
const maxBytes = 256 << 10

/** @returns a sentence where it does not answer */
export function askNames(port: number): Promise<readonly RegisteredNode[] | string> {
  return new Promise(resolve => {
    const socket = net.connect({ host: '127.0.0.1', port })
    const parts: Buffer[] = []
    let length = 0
    const end = (answer: readonly RegisteredNode[] | string) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(answerMs, () => end(`epmd on port ${port} does not answer`))
    socket.on('connect', () => socket.write(namesRequest))
    socket.on('error', error => {
      end(`epmd on port ${port} cannot be asked: ${systemCode(error) ?? error.message}`)
    })
    socket.on('data', (part: Buffer) => {
      length += part.length
      if (length > maxBytes) end(`epmd on port ${port} says more than ${maxBytes} bytes`)
      else parts.push(part)
    })
    socket.on('end', () => end(readNames(Buffer.concat(parts))))
  })
}

/** Four bytes of its own port, then a line for each node: `name shop at port 35401`. */
export function readNames(answer: Buffer): RegisteredNode[] {
  return [...answer.toString('utf8', 4).matchAll(/^name ([^\n]{1,255}) at port (\d{1,5})$/gm)].map(
    ([, name, port]) => ({ name: name!, port: Number(port) }),
  )
}
