// The arithmetic that tells a number of a kind from any other number.
//
// Verhoeff and Luhn each let one random number in ten pass, so neither is ever the only
// evidence: a card also needs a network's prefix and length, an Aadhaar its twelve digits.

/** Verhoeff's check digit, of Aadhaar numbers and of the virtual ids that stand for them. */
export function isVerhoeff(digits: string): boolean {
  let check = 0
  for (let index = 0; index < digits.length; index++) {
    const digit = digits.charCodeAt(digits.length - 1 - index) - 48
    check = dihedral[check]![permutations[index % 8]![digit]!]!
  }
  return check === 0
}

/** ISO/IEC 7812's check digit, of payment cards. */
export function isLuhn(digits: string): boolean {
  let sum = 0
  for (let index = 0; index < digits.length; index++) {
    let digit = digits.charCodeAt(digits.length - 1 - index) - 48
    if (index % 2 === 1) digit = digit > 4 ? digit * 2 - 9 : digit * 2
    sum += digit
  }
  return sum % 10 === 0
}

/** A Luhn-valid number of a length that the network of its prefix gives out. */
export function isCard(digits: string): boolean {
  return hasCardPrefix(digits) && isLuhn(digits)
}

/**
 * A prefix that a network gives out at this length. No network has a prefix of 1 (but airlines), so
 * a time since 1970 in milliseconds, microseconds or nanoseconds is never a card.
 */
export function hasCardPrefix(digits: string): boolean {
  const six = Number(digits.slice(0, 6))
  for (const [low, high, lengths] of prefixesOf.get(digits[0]!) ?? []) {
    if (six >= low && six <= high && lengths.includes(digits.length)) return true
  }
  return false
}

/** The check character of a GSTIN, base 36. The text is upper case and fifteen characters long. */
export function isGstin(text: string): boolean {
  let sum = 0
  for (let index = 0; index < 14; index++) {
    const product = Number.parseInt(text[index]!, 36) * (index % 2 === 0 ? 1 : 2)
    sum += Math.floor(product / 36) + (product % 36)
  }
  return (36 - (sum % 36)) % 36 === Number.parseInt(text[14]!, 36)
}

// First and last prefix of six digits, and the lengths in use.
const cardPrefixes: readonly (readonly [number, number, readonly number[]])[] = [
  [400000, 499999, [13, 16, 19]], // Visa
  [510000, 559999, [16]], // Mastercard
  [222100, 272099, [16]], // Mastercard
  [340000, 349999, [15]], // American Express
  [370000, 379999, [15]],
  [300000, 305999, [14, 16]], // Diners Club
  [309500, 309599, [14, 16]],
  [360000, 369999, [14, 16]],
  [380000, 399999, [14, 16]],
  [508000, 508999, [16]], // RuPay
  [600000, 609999, [16]],
  [650000, 659999, [16, 17, 18, 19]],
  [810000, 829999, [16]],
  [353000, 353999, [16]], // RuPay with JCB
  [356000, 356999, [16]],
  [203040, 203040, [16]], // Bajaj Finserv
  [601100, 601199, [16, 17, 18, 19]], // Discover
  [644000, 649999, [16, 17, 18, 19]],
  [352800, 358999, [16]], // JCB
  [620000, 629999, [16, 17, 18, 19]], // UnionPay
  [500000, 509999, [16, 18, 19]], // Maestro
  [560000, 589999, [16, 18, 19]],
  [630400, 630499, [16, 18, 19]],
  [675900, 675999, [16, 18, 19]],
  [676100, 676399, [16, 18, 19]],
]

// By their first digit, which no prefix range crosses.
const prefixesOf = Map.groupBy(cardPrefixes, ([low]) => `${low}`[0]!)

// The group of a pentagon's symmetries: rotations by 0 to 4, then the reflections.
const dihedral = Array.from({ length: 10 }, (_, a) =>
  Array.from({ length: 10 }, (_, b) => {
    const turned = a < 5 ? (a + b) % 5 : (a - b + 10) % 5
    return a < 5 === b < 5 ? turned : turned + 5
  }),
)

// Row i is Verhoeff's permutation applied i times.
const permutations = Array.from({ length: 8 }, (_, times) =>
  Array.from({ length: 10 }, (_, digit) => {
    let moved = digit
    for (let time = 0; time < times; time++) moved = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4][moved]!
    return moved
  }),
)
