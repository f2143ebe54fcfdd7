// One line a budget: `name  value  budget  ratio-to-peer  verdict`, two blanks between the columns.
//
// The ratio says how many times better than the peer we were in the same run; `-` where there is
// none. Nothing fails: a budget that is missed is read here, and not noticed at random in a test.

export interface Peer {
  readonly name: string
  /** How many times better we are. */
  readonly ratio: number
}

export interface Budget {
  readonly most?: number
  readonly least?: number
}

export function line(
  name: string,
  value: number,
  unit: string,
  { most, least }: Budget,
  peer?: Peer,
): void {
  const budget = most === undefined ? `>= ${least}` : `<= ${most}`
  const isMet = most === undefined ? value >= least! : value <= most
  const columns = [
    name,
    `${rounded(value)} ${unit}`,
    `${budget} ${unit}`,
    peer === undefined ? '-' : `${rounded(peer.ratio)} x ${peer.name}`,
    isMet ? 'met' : 'MISSED',
  ]
  console.log(columns.join('  '))
}

/** Three significant digits, and all those before the point. */
function rounded(value: number): string {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)))
}
