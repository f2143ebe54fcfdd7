// What counts as personal, and a place where it was found.

/**
 * The classes, most specific first: where two cover the same text, the earlier one names it.
 *
 * "PAN" is India's Permanent Account Number and, in payments, the number of a card. We say `in_pan`
 * and `card`.
 */
export const personalClasses = [
  'customer_id',
  'jwt',
  'gstin',
  'in_pan',
  'card',
  'vid',
  'aadhaar',
  'mobile',
  'email',
  'upi',
  'user_path',
] as const

export type PersonalClass = (typeof personalClasses)[number]

/** A personal value in a text, in UTF-16 units: `text.slice(start, end)`. */
export interface Hit {
  readonly class: PersonalClass
  readonly start: number
  readonly end: number
}

/**
 * How many values of one text are told apart. A text with more is no name, it is data, and is taken
 * out whole: so each detector may stop here, and ten thousand numbers in a row cost what these do.
 */
export const enoughHits = 64
