// Where a port that a process listens on can be reached from.

import type { Endpoint } from './runtime.ts'

/** Bound to every address, it is reached by the loopback's; `::` is, as a rule, bound to both kinds. */
export function reachable({ address, port }: Endpoint): Endpoint[] {
  if (address === '0.0.0.0') return [{ address: '127.0.0.1', port }]
  const addresses = address === '::' ? ['127.0.0.1', '::1'] : [address]
  return addresses.map(each => ({ address: each, port }))
}
