/** Users' strings in Markdown: shown as they are, whatever signs are in them. */

/** One line of text, for a sentence or a table cell. */
export const markdown = (text: string): string =>
  text
    .replace(/\s+/g, " ")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replace(/[\\`*_~[\]|#$!]/g, "\\$&")

/** A name in code style; the fence is longer than any run of backticks in it. A pipe would end a table cell even here. */
export const codeSpan = (text: string): string => {
  const line = text.replace(/\s+/g, " ").replaceAll("|", "¦")
  const longest = Math.max(0, ...(line.match(/`+/g) ?? []).map((run) => run.length))
  if (longest === 0) return `\`${line}\``
  const fence = "`".repeat(longest + 1)
  return `${fence} ${line} ${fence}`
}
