// The type that makes a leak not compile.

declare const redacted: unique symbol

/** A value that has been through every redaction rule. Only `redact/` makes one. */
export type Redacted<T> = T & { readonly [redacted]: true }
