// Other people's text, made safe for XML 1.0 and honest to the eye.
//
// Three dangers, and what we do:
// - markup: the five special characters become entities, everywhere alike, so
//   that no caller has to know whether it writes text or an attribute;
// - characters that XML 1.0 forbids (https://www.w3.org/TR/xml/#charsets): one
//   of them makes the whole file unreadable. They become U+FFFD, a visible mark;
// - characters that change how others are read: bidirectional controls can show
//   `exe.gpj` as `jpg.exe`, and line breaks can split a line. The first are spelt
//   out as `[U+202E]`, the second become spaces.

/** Nothing here means nothing to do, which is true of nearly every name. */
const special =
  /[&<>"'\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]/

export function escapeXml(text: string): string {
  return special.test(text)
    ? makeVisible(text).replace(/[&<>"']/g, character => entities[character]!)
    : text
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** The text as it may be shown: the same characters where they are harmless. */
export function makeVisible(text: string): string {
  return text
    .replace(/[\t\n\r\u0085\u2028\u2029]+/g, ' ')
    .replace(/[\u0000-\u001f\u007f-\u009f\ufffe\uffff]/g, '\ufffd')
    .replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g, spellOut)
    .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd')
}

function spellOut(character: string): string {
  return `[U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}]`
}
