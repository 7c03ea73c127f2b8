/** Detects words with labels: two columns of lists of equal lengths. */
import { counted } from "../../../boundary/index.ts"
import { choice, type Detecting, sure } from "../../../suggest/index.ts"
import { type Column, columnsIn, listIn, shownColumn } from "../../rows/columns.ts"
import { isEncoder } from "../suggest.ts"

const usualWords = /^(tokens|words)$/i
const usualLabels = /^(labels|tags|ner_?tags|ner|ner_labels|token_labels|iob)$/i

const listsOf = ({ cells }: Column): ReadonlyArray<ReadonlyArray<unknown>> | undefined => {
  const lists = cells.map(listIn)
  return lists.length > 0 && lists.every((list) => list !== undefined) ? lists : undefined
}

/** Returns the columns of lists of texts. */
const wordColumns = (columns: ReadonlyArray<Column>) =>
  columns.flatMap((column) => {
    const lists = listsOf(column)
    return lists?.every((list) => list.every((word) => typeof word === "string")) ? [{ name: column.name, lists }] : []
  })

/** Returns the columns of lists with few values, fewer than there are words, one for each of the words. */
const labelColumns = (columns: ReadonlyArray<Column>, words: ReadonlyArray<ReadonlyArray<unknown>>) => {
  const differentWords = new Set(words.flat()).size
  return columns.flatMap((column) => {
    const lists = listsOf(column)
    if (lists === undefined || lists.some((list, i) => list.length !== words[i]!.length)) return []
    const labels = lists.flat()
    const isLabel = (label: unknown) => typeof label === "string" || Number.isInteger(label)
    const different = new Set(labels).size
    return labels.every(isLabel) && different < differentWords && different <= labels.length / 2
      ? [{ name: column.name, lists, different }]
      : []
  })
}

export const detectWords: Detecting = {
  takes: isEncoder,
  needs: "this needs an encoder, such as --model hf:answerdotai/ModernBERT-base",
  hint: "name the column of the words with --tokens, and that of their labels with --label",
  columns: { "token-classification": ["tokens", "label"] },
  rows: ({ content, rows }, { tokens, label }) => {
    if (content !== "rows") return []
    const all = columnsIn(rows)
    return wordColumns(all)
      .filter(({ name }) => tokens === undefined || name === tokens)
      .flatMap((words) =>
        labelColumns(
          all.filter(({ name }) => name !== words.name && (label === undefined || name === label)),
          words.lists
        ).map((labels) => {
          const isNamed = tokens !== undefined || label !== undefined
          const areUsual = usualWords.test(words.name) && usualLabels.test(labels.name)
          const example = words.lists[0]!.flatMap((word, i) => {
            const given = String(labels.lists[0]![i])
            return given === "O" ? [] : [`${word} (${given})`]
          })
          return {
            format: "token-classification",
            certainty: isNamed ? sure.named : areUsual ? sure.clearly : sure.only,
            columns: { tokens: words.name, label: labels.name },
            sentence: `a label for every word of ${shownColumn(words.name)} (${counted(labels.different, "label")} in ${shownColumn(labels.name)})`,
            example: `“${words.lists[0]!.slice(0, 12).join(" ")}” → ${example.slice(0, 4).join(", ") || "no entity"}`,
            choices: [
              choice(
                "data.format",
                "token-classification",
                `the columns "${words.name}" and "${labels.name}" have lists of equal lengths`
              ),
              ...(words.name === "tokens" ? [] : [choice("data.tokens", words.name, "the column of words")]),
              ...(labels.name === "labels" ? [] : [choice("data.label", labels.name, "the column of their labels")])
            ]
          }
        })
      )
  }
}
