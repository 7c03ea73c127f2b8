/** Detects pairs of a source and a target text for an encoder-decoder model in the columns of rows. */
import { seq2seqFamilies } from "../../../models/seq2seq/index.ts"
import { choice, type Detecting, sure } from "../../../suggest/index.ts"
import {
  type Column,
  columnsIn,
  comesBack,
  exampleOf,
  labelEvidence,
  pairIn,
  shownColumn,
  shownText,
  textEvidence,
  textsIn
} from "../../rows/columns.ts"

/** Common names of source and target columns, and the certainty of each pair. */
const pairs = [
  ["source", "target", sure.usual],
  ["document", "summary", sure.usual],
  ["text", "summary", sure.usual],
  ["article", "summary", sure.usual],
  ["article", "highlights", sure.usual],
  ["dialogue", "summary", sure.usual],
  // a decoder generates texts as well, and the pairs may be texts that belong together
  ["input", "output", sure.likely],
  ["question", "answer", sure.possible],
  ["prompt", "completion", sure.possible],
  ["prompt", "response", sure.possible],
  ["instruction", "response", sure.possible],
  ["query", "response", sure.possible]
] as const

interface Pair {
  readonly source: string
  readonly target: string
  readonly certainty: number
  readonly sentence: string
  readonly reason: string
}

const pairOf = (source: string, target: string, certainty: number): Pair => ({
  source,
  target,
  certainty,
  sentence: `to write ${shownColumn(target)} for each ${shownColumn(source)}`,
  reason:
    certainty === sure.named
      ? "both columns were named"
      : `rows have a text ("${source}") and what is written for it ("${target}")`
})

/** Detects two columns named by languages: "en" and "de". */
const translation = (texts: ReadonlyArray<Column>): Pair | undefined => {
  const [source, target, ...more] = texts.map(({ name }) => name).filter((name) => /^[a-z]{2}$/.test(name))
  if (source === undefined || target === undefined || more.length > 0) return undefined
  return {
    source,
    target,
    certainty: sure.usual,
    sentence: `to translate ${shownColumn(source)} to ${shownColumn(target)}`,
    reason: `rows have a text in "${source}" and another in "${target}", by their names two languages`
  }
}

/** Detects a text and its label, which is generated as text. */
const labelled = (
  all: ReadonlyArray<Column>,
  source: string | undefined,
  target: string | undefined
): Pair | undefined => {
  const label =
    target ?? labelEvidence(all, {}, [source ?? ""]).find(({ certainty }) => certainty > sure.possible)?.column.name
  if (label === undefined) return undefined
  const [first] = textEvidence(all, source === undefined ? {} : { text: source }, [label])
  // with two input texts one would be lost
  if (first?.columns.text === undefined || first.columns.textPair !== undefined) return undefined
  const { text } = first.columns
  return {
    source: text,
    target: label,
    certainty: source === undefined && target === undefined ? sure.anything : sure.usual,
    sentence: `to write ${shownColumn(label)}, a label, for each ${shownColumn(text)}`,
    reason: `rows have a text ("${text}") and a label ("${label}"), which is written for it`
  }
}

const pairFound = (
  all: ReadonlyArray<Column>,
  { source, target }: { readonly source?: string; readonly target?: string }
) => {
  if (source !== undefined && target !== undefined) return pairOf(source, target, sure.named)
  const fits = (first: string, second: string) => (source ?? first) === first && (target ?? second) === second
  const named = pairs.filter(([first, second]) => fits(first, second))
  const texts = textsIn(all)
  const matching = pairIn(
    named.map(([first, second]) => [first, second] as const),
    // texts that repeat are labels
    texts.filter((column) => !comesBack(column) || source !== undefined || target !== undefined)
  )
  if (matching !== undefined) {
    const [first, second] = matching.map(({ name }) => name) as [string, string]
    return pairOf(first, second, named.find(([a, b]) => a === first.toLowerCase() && b === second.toLowerCase())![2])
  }
  return (
    (source === undefined && target === undefined ? translation(texts) : undefined) ?? labelled(all, source, target)
  )
}

export const detectSeq2Seq: Detecting = {
  columns: { seq2seq: ["source", "target"] },
  takes: ({ modelType }) => typeof modelType === "string" && Object.hasOwn(seq2seqFamilies, modelType),
  needs: "this needs a text-to-text model, such as --model hf:google-t5/t5-small",
  hint: "name the columns with --source and --target",
  rows: ({ content, rows }, columns) => {
    const pair = content === "rows" ? pairFound(columnsIn(rows), columns) : undefined
    if (pair === undefined) return []
    const { source, target, certainty, sentence, reason } = pair
    return [
      {
        format: "seq2seq",
        sentence,
        example: exampleOf(rows, { text: source }, (row) => shownText(row[target])),
        certainty,
        columns: { source, target },
        choices: [
          choice("data.format", "seq2seq", reason),
          choice("data.source", source, "the column with the input text"),
          choice("data.target", target, "the column with the target text")
        ]
      }
    ]
  }
}
