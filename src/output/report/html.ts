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

/** Returns an element; children and attribute values are escaped as in `html`. */
export const element = (
  tag: string,
  attributes: Readonly<Record<string, string>>,
  ...children: ReadonlyArray<Insertable>
): Html => {
  const parts = Object.entries(attributes).map(([name, value]) => html` ${name}="${value}"`)
  return html`<${tag}${parts}>${children}</${tag}>`
}

/** Inserts source code of this package or of a dependency without escaping. Never use it for user input. */
export const raw = (source: string): Html => new Html(source)

/** Serializes JSON for a `<script type="application/json">`. The output never contains `</script>` or `<!--`. */
export const embeddedJson = (value: unknown): Html => new Html(JSON.stringify(value).replaceAll("<", "\\u003c"))
