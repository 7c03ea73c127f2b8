/**
 * HTML by template literal, in which every inserted string is escaped unless it is HTML made here: labels, texts and paths come
 * from users, and one that is forgotten must show as text, not run.
 */

/** A piece of HTML; only `html`, `raw` and `embeddedJson` make one. */
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

/** Safe in element content and in quoted attribute values. Control characters, which HTML has no way to say, become �. */
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
 * html`<td>${label}</td>` // label "<b>" shows as <b>
 */
export const html = (strings: TemplateStringsArray, ...values: ReadonlyArray<Insertable>): Html =>
  new Html(strings.reduce((source, part, i) => source + inserted(values[i - 1]) + part))

/** For text that is code of this package or of a dependency, never for what a user wrote. */
export const raw = (source: string): Html => new Html(source)

/** JSON for a `<script type="application/json">`: no `</script>` and no `<!--` can occur in it. */
export const embeddedJson = (value: unknown): Html => new Html(JSON.stringify(value).replaceAll("<", "\\u003c"))
