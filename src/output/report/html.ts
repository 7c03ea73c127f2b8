/**
 * HTML by template literals that escape every inserted string unless it is HTML made here: labels, texts and paths are user input and must show as
 * text, never run. Also formats numbers for people: three or four significant digits with their units.
 */

/** A piece of HTML. Only `html`, `raw` and `embeddedJson` create one. */
export class Html {
  readonly source: string
  constructor(source: string) {
    this.source = source
  }
}

export type Insertable = string | number | Html | null | undefined | false | ReadonlyArray<Insertable>

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

/** Escapes text for element content and quoted attribute values. Control characters, which HTML cannot represent, become �. */
export const escapeHtml = (text: string): string =>
  text
    .replace(/[&<>"']/g, (character) => entities[character]!)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, "\ufffd")
    .toWellFormed()

const inserted = (value: Insertable): string => {
  if (value === null || value === undefined || value === false) return ""
  if (value instanceof Html) return value.source
  if (Array.isArray(value)) return value.map(inserted).join("")
  return escapeHtml(String(value))
}

/**
 * @example
 * import { html } from "./html.ts"
 *
 * const cell = (label: string) => html`<td>${label}</td>` // label "<b>" shows as <b>
 */
export const html = (strings: TemplateStringsArray, ...values: ReadonlyArray<Insertable>): Html =>
  new Html(strings.reduce((source, part, i) => source + inserted(values[i - 1]) + part))

/** An element; children and attribute values are escaped as in `html`. */
export const element = (
  tag: string,
  attributes: Readonly<Record<string, string>>,
  ...children: ReadonlyArray<Insertable>
): Html => {
  const written = Object.entries(attributes).map(([name, value]) => html` ${name}="${value}"`)
  return html`<${tag}${written}>${children}</${tag}>`
}

/** Inserts source code of this package or of a dependency without escaping. Never use it for user input. */
export const raw = (source: string): Html => new Html(source)

/** Serializes JSON for a `<script type="application/json">`. The output never contains `</script>` or `<!--`. */
export const embeddedJson = (value: unknown): Html => new Html(JSON.stringify(value).replaceAll("<", "\\u003c"))

/** where there is no number */
const missing = "–"

/** Formats a number with `digits` significant digits: 0.0001 → 1e-4, 1234567 → 1.23e6, 0.53912 → 0.539. */
export const number = (value: number | null | undefined, digits = 3): string => {
  if (value === null || value === undefined || !Number.isFinite(value)) return missing
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-3 || size >= 1e6))
    return `${Number(value.toPrecision(digits)).toExponential()}`.replace("e+", "e")
  return `${Number(value.toPrecision(Math.max(digits, Math.ceil(Math.log10(size + 1)))))}`
}

/** Formats a loss or score with a fixed number of decimals, default 3: 0.3 → 0.300. */
export const fixed = (value: number | null | undefined, decimals = 3): string =>
  value === null || value === undefined || !Number.isFinite(value) ? missing : value.toFixed(decimals)

/** Formats a count with thousands separators: 1234567 → 1,234,567. */
export const count = (value: number): string => value.toLocaleString("en")

/** Formats a share as a percentage: 0.8725 → 87.3 %. */
export const percent = (share: number | null | undefined): string =>
  share === null || share === undefined || !Number.isFinite(share) ? missing : `${(100 * share).toFixed(1)} %`

/** Formats seconds as 3.2 s, 4 min 5 s or 2 h 3 min. */
export const duration = (seconds: number): string => {
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}
