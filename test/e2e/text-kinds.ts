/** Rows of the tiny texts for each kind of run over encoders. */
import { labels, tinyRows } from "./fixtures.ts"

/** Two texts, and whether they say the same. */
export const pairRows = (count: number, offset = 0) =>
  tinyRows(count, offset).map(({ text, label }, i) => {
    const other = tinyRows(1, offset + 5 * i + 1)[0]!
    return { premise: text, hypothesis: other.text, label: other.label === label ? "same" : "other" }
  })

/** How good a text says something is, and how long it is. */
export const scoredRows = (count: number, offset = 0) =>
  tinyRows(count, offset).map(({ text, label }, i) => ({
    text,
    stars: 1 + 2 * labels.indexOf(label as "bad") + ((i * 7) % 10) / 10,
    words: text.split(" ").length
  }))

/** What a text speaks of. */
export const topicRows = (count: number, offset = 0) =>
  tinyRows(count, offset).map(({ text, label }) => ({
    text,
    labels: [
      ...(label === "good" ? ["praise"] : []),
      ...(text.includes("cast") || text.includes("plot") ? ["craft"] : [])
    ]
  }))

/** A text and one that says the like of the same subject. */
export const relatedRows = (count: number, offset = 0) =>
  tinyRows(count, offset).map(({ text, label }, i) => ({
    query: text,
    document: `${label === "good" ? "great" : label === "bad" ? "awful" : "usual"} ${text
      .split(" ")
      .slice(1, 2 + (i % 2))
      .join(
        " "
      )} ${["music", "story", "scene", "plot", "cast", "film"][(i + offset) % 6]!} ${["so", "very", "a"][Math.floor((i + offset) / 6) % 3]!}`
  }))

/** What of a text names a part, and what a view of it. */
export const taggedRows = (count: number, offset = 0) =>
  tinyRows(count, offset).map(({ text }) => {
    const tokens = text.split(" ")
    const parts = ["plot", "cast", "music", "story", "scene"]
    const others = ["the", "was", "is", "a", "and"]
    const isView = (word: string | undefined) => word !== undefined && ![...parts, ...others].includes(word)
    const labels = tokens.map((word, i) =>
      parts.includes(word) ? "B-part" : !isView(word) ? "O" : isView(tokens[i - 1]) ? "I-view" : "B-view"
    )
    return { tokens, labels }
  })
