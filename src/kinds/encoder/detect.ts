/** Detects tasks for an encoder in rows: classes, labels or numbers of texts, and texts that belong together. */
import { describe } from "../../models/index.ts"
import { type Choice, type Columns, choice, type Detecting, type Found, sure } from "../../suggest/index.ts"
import {
  type Column,
  classesIn,
  columnsIn,
  exampleOf,
  flagsIn,
  foundWith,
  isKey,
  labelEvidence,
  labelLists,
  labelsOfCell,
  numberEvidence,
  numbersIn,
  pairIn,
  rowName,
  shownColumn,
  shownText,
  textEvidence,
  textPairs,
  textsIn
} from "../rows/columns.ts"
import { isEncoder } from "./suggest.ts"

/** Detection shared by all kinds over encoders. */
const ofEncoders = {
  takes: isEncoder,
  needs: "this needs an encoder, such as --model hf:sentence-transformers/all-MiniLM-L6-v2",
  hint: "name the text column with --text, and the column to predict with --label (a class), --target (a number) or --label-columns (labels of 0 and 1)"
}

const format = (name: string, reason: string): Choice => choice("data.format", name, reason)

/** Returns a choice of a column; empty if it is the default. */
const column = (role: string, name: string, reason: string, usually = role): ReadonlyArray<Choice> =>
  name === usually ? [] : [choice(`data.${role}`, name, reason)]

const namesOf = (columns: ReadonlyArray<Column>): string =>
  columns
    .map(({ name }) => shownColumn(name))
    .join(", ")
    .replace(/, (?=[^,]*$)/, " and ")

export const detectClasses: Detecting = {
  ...ofEncoders,
  columns: { classification: ["text", "textPair", "label"] },
  opens: (source) => describe(source, { pooling: "mean", head: "new", labels: ["a", "b"] }),
  rows: ({ content, rows }, columns) => {
    if (content === "images") return []
    const all = columnsIn(rows)
    const { label: _, ...texts } = columns
    return labelEvidence(all, columns, Object.values(texts).map(String)).flatMap(
      ({ column: labelColumn, certainty, reason }) => {
        // a numeric column named as the label is a numeric target if it is not a class
        if (certainty === sure.named && (isManyNumbers(labelColumn) || labelLists(labelColumn) !== undefined)) return []
        return textEvidence(all, texts, [labelColumn.name]).map((text): Found => {
          const { name, different } = labelColumn
          const ordered =
            numbersIn(labelColumn) !== undefined && different > 2 ? "; their order carries no information" : ""
          return foundWith(
            "classification",
            text,
            {
              certainty,
              columns: { label: name },
              choices: columns.label === undefined ? column("label", name, reason) : []
            },
            {
              sentence: `a label for each ${rowName(text.columns)} (${classesIn(labelColumn)}${ordered})`,
              example: exampleOf(rows, text.columns, (row) => String(row[name] ?? ""))
            }
          )
        })
      }
    )
  }
}

// fewer different numbers are as likely the names of classes: fewer whole ones, and fewer of which some have a fraction
const MANY = { whole: 20, broken: 5 } as const

const isManyNumbers = (column: Column): boolean => {
  const numbers = numbersIn(column)
  return numbers !== undefined && column.different >= (numbers.every(Number.isInteger) ? MANY.whole : MANY.broken)
}

export const detectNumbers: Detecting = {
  ...ofEncoders,
  columns: { regression: ["text", "textPair", "label", "target"] },
  rows: ({ content, rows }, { label, target, ...texts }) => {
    if (content !== "rows") return []
    const all = columnsIn(rows)
    const labelColumn = all.find(({ name }) => name === label)
    if (label !== undefined && (labelColumn === undefined || !isManyNumbers(labelColumn))) return []
    const named = target ?? label
    const targets =
      named === undefined
        ? numberEvidence(all, Object.values(texts).map(String)).map(({ column: numberColumn, certainty, reason }) => ({
            names: [numberColumn.name],
            certainty,
            reason
          }))
        : [
            {
              names: named.split(",").map((name) => name.trim()),
              certainty: sure.named,
              reason:
                labelColumn === undefined
                  ? "a number column was named"
                  : `the column "${label}" has ${labelColumn.different} different numbers in the first ${rows.length} rows: it is learned as a number, not as a class`
            }
          ]
    return targets.flatMap(({ names, certainty, reason }) =>
      textEvidence(all, texts, names).map((text): Found => {
        const list = names.map(shownColumn).join(", ")
        const value = names.length === 1 ? names[0]! : names
        const column =
          target === undefined ? "the number column" : named === value ? "the named column" : "the named columns"
        // two texts and a number are usually a similarity score
        const share = text.columns.textPair === undefined || named !== undefined ? 1 : 0.5
        return foundWith(
          "regression",
          text,
          {
            certainty: share * certainty,
            columns: { target: names.join(",") },
            choices: [format("regression", reason), { path: "data.target", value, reason: column }]
          },
          {
            sentence: names.length === 1 ? `a number: ${list}` : `numbers: ${list}`,
            example: exampleOf(rows, text.columns, (row) => names.map((name) => String(row[name] ?? "")).join(", "))
          }
        )
      })
    )
  }
}

interface Tags {
  readonly certainty: number
  readonly columns: Columns
  readonly choices: ReadonlyArray<Choice>
  readonly sentence: string
  readonly taken: ReadonlyArray<string>
  readonly said: (row: { readonly [name: string]: unknown }) => string
}

const usualTags = /^(labels|label|tags|topics|categories|genres|keywords|classes)$/i

const listsOf = (tagColumn: Column, isNamed: boolean): ReadonlyArray<Tags> => {
  const lists = labelLists(tagColumn)
  if (lists === undefined) return []
  const { name } = tagColumn
  const { separator } = lists
  const how = separator === undefined ? "as lists" : `separated by ${separator}`
  const reason = `the column "${name}" holds ${separator === undefined ? "lists of labels" : `labels with "${separator}" between`}`
  return [
    {
      certainty: isNamed ? sure.named : usualTags.test(name) ? sure.clearly : sure.usual,
      columns: { label: name },
      choices: [
        format("multi-label", reason),
        ...column(
          "label",
          name,
          separator === undefined ? "the column of the lists" : "the column of the labels",
          "labels"
        ),
        ...(separator === undefined || separator === "|"
          ? []
          : [choice("data.labelSeparator", separator, "the separator between the labels of a row")])
      ],
      sentence: `several tags: ${shownColumn(name)}, ${how}`,
      taken: [name],
      said: (row) => labelsOfCell(row[name] ?? undefined, separator).join(", ")
    }
  ]
}

const flagsOf = (flags: ReadonlyArray<Column>, certainty: number, reason: string): Tags => {
  const names = flags.map(({ name }) => name)
  return {
    certainty,
    columns: { labelColumns: names.join(",") },
    choices: [
      format("multi-label", reason),
      { path: "data.labelColumns", value: names, reason: "a column for each label" }
    ],
    sentence: `several tags: ${namesOf(flags)}, a column of 0 and 1 for each`,
    taken: names,
    said: (row) => names.filter((name) => /^(1|true)$/i.test(String(row[name]))).join(", ")
  }
}

export const detectTags: Detecting = {
  ...ofEncoders,
  columns: { "multi-label": ["text", "textPair", "label", "labelColumns"] },
  rows: ({ content, rows }, { label, labelColumns, ...texts }) => {
    if (content !== "rows") return []
    const all = columnsIn(rows).filter(({ name }) => !Object.values(texts).includes(name))
    const named = labelColumns?.split(",").map((name) => name.trim())
    const flags = flagsIn(all).filter(({ name }) => named === undefined || named.includes(name))
    const candidates =
      named !== undefined
        ? [
            flagsOf(
              named.map((name) => all.find((column) => column.name === name) ?? missing(name)),
              sure.named,
              "named as labels"
            )
          ]
        : [
            ...all
              .filter(({ name }) => label === undefined || name === label)
              .flatMap((column) => listsOf(column, label !== undefined)),
            ...(label === undefined && flags.length > 1
              ? [
                  flagsOf(
                    flags,
                    flags.length > 2 ? sure.usual : sure.likely,
                    `${flags.length} columns contain only 0 and 1`
                  )
                ]
              : [])
          ]
    return candidates.flatMap(({ taken, said, sentence, ...target }) =>
      textEvidence(columnsIn(rows), texts, taken).map((text) =>
        foundWith("multi-label", text, target, { sentence, example: exampleOf(rows, text.columns, said) })
      )
    )
  }
}

const missing = (name: string): Column => ({ name, cells: [], filled: [], different: 0 })

// ——— texts that belong together

/** Common names of an anchor and its related text, and the certainty of the names if the rows have no other columns. */
const related = [
  ["anchor", "positive", sure.clearly],
  ["query", "positive", sure.clearly],
  ["query", "document", sure.usual],
  ["query", "passage", sure.usual],
  ["query", "answer", sure.usual],
  // equally likely: the answer is to be generated
  ["question", "answer", sure.only],
  ["question", "context", sure.usual],
  ["question", "positive", sure.clearly],
  ["title", "abstract", sure.only],
  ["term", "definition", sure.only],
  ["sentence1", "sentence2", sure.usual],
  ["question1", "question2", sure.usual],
  ["text1", "text2", sure.only],
  ["text", "textPair", sure.only]
] as const

/** Names of symmetric pairs, in which neither text is a query for the other. */
const alike = /^(sentence|question|text)_?[12]$|^text$/i

const negatives = /^(hard_?)?negative$/i

export const detectRelated: Detecting = {
  ...ofEncoders,
  columns: { embedding: ["anchor", "positive", "negative"] },
  rows: ({ content, rows }, columns) => {
    if (content !== "rows") return []
    const all = columnsIn(rows)
    const texts = textsIn(all).filter(
      (column) => column.different > column.filled.length / 2 || column.filled.length < 4
    )
    const pair = pairIn(
      related.map(([anchor, positive]) => [anchor, positive] as const),
      // an anchor may have several texts
      textsIn(all)
    )
    const { anchor = pair?.[0].name, positive = pair?.[1].name } = columns
    if (anchor === undefined || positive === undefined) return []
    const isNamed = columns.anchor !== undefined || columns.positive !== undefined
    const negative = columns.negative ?? texts.find(({ name }) => negatives.test(name))?.name
    const unrelated = all.filter((column) => ![anchor, positive, negative].includes(column.name) && !isKey(column))
    const isAnswered = isNamed || texts.some(({ name }) => name === positive)
    if (!isAnswered || (!isNamed && unrelated.length > 0 && !/^positive$/i.test(positive))) return []
    const byName = related.find(
      ([first, second]) => first === anchor.toLowerCase() && second === positive.toLowerCase()
    )
    const reason = isNamed
      ? "the columns of matching texts were named"
      : `rows have two matching texts ("${anchor}" and "${positive}") and no label`
    return [
      {
        format: "embedding",
        sentence: alike.test(anchor)
          ? `pairs that mean the same: ${shownColumn(anchor)} and ${shownColumn(positive)}`
          : `which ${shownColumn(positive)} belongs to which ${shownColumn(anchor)}`,
        example: exampleOf(rows, { text: anchor }, (row) => shownText(row[positive])),
        certainty: isNamed ? sure.named : (byName?.[2] ?? sure.only),
        columns: { anchor, positive, ...(negative === undefined ? {} : { negative }) },
        choices: [
          format("embedding", reason),
          ...(columns.anchor === undefined ? [choice("data.anchor", anchor, "the query text")] : []),
          ...(columns.positive === undefined ? [choice("data.positive", positive, "the matching text")] : []),
          ...(negative === undefined ? [] : [choice("data.negative", negative, "a text that does not match")])
        ]
      }
    ]
  }
}

const scores = /^(score|similarity|similarity_?score|relatedness)$/i

export const detectSimilarity: Detecting = {
  ...ofEncoders,
  columns: { similarity: ["text", "textPair", "score"] },
  rows: ({ content, rows }, columns) => {
    if (content !== "rows") return []
    const all = columnsIn(rows)
    const score =
      columns.score ?? all.find((column) => scores.test(column.name) && numbersIn(column) !== undefined)?.name
    const pair = pairIn([...textPairs, ...related.map(([first, second]) => [first, second] as const)], textsIn(all))
    const { text = pair?.[0].name, textPair = pair?.[1].name } = columns
    if (score === undefined || text === undefined || textPair === undefined) return []
    return [
      {
        format: "similarity",
        sentence: `how similar two texts are: ${shownColumn(score)} of ${shownColumn(text)} and ${shownColumn(textPair)}`,
        example: exampleOf(rows, { text, textPair }, (row) => String(row[score] ?? "")),
        certainty: columns.score === undefined ? sure.clearly : sure.named,
        columns: { text, textPair, score },
        choices: [
          format("similarity", `rows have two texts and a number ("${score}") that measures their similarity`),
          ...(columns.text === undefined ? [choice("data.text", text, "the first text")] : []),
          ...(columns.textPair === undefined ? [choice("data.textPair", textPair, "the second text")] : []),
          ...(columns.score === undefined ? [choice("data.score", score, "the number")] : [])
        ]
      }
    ]
  }
}
