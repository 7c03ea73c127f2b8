/** Opens the `data` section of plans over labelled words: scans every file, determines the labels and their scheme, and builds the splits. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { TokenClassificationSection } from "../../../../schemas/index.ts"
import { quoted } from "../../../boundary/index.ts"
import {
  type BySplit,
  DataError,
  describedSplits,
  type Fields,
  fieldOf,
  joinDataErrors,
  kindOf,
  type Located,
  labelCounts,
  labelHint,
  labelsOf,
  mapSplits,
  mostProblems,
  openSplitFiles,
  openTextFile,
  placeOfRow,
  quotedLabel,
  quotedLabels,
  type RowSource,
  repeatWarnings,
  rowsOfSplits,
  type ScannedSource,
  setOf,
  sourceOf,
  type TextFields,
  tooManyLabels,
  unseenLabels
} from "../../../data/index.ts"
import type { SplitSummary } from "../../../plan/index.ts"
import { listIn } from "../../rows/columns.ts"
import { bioOfIob1, isIob1, mayFollow, type Scheme, schemeLabels, schemeOf, typesOf } from "./schemes.ts"

/** A text as its words and their labels; `text`: the words with spaces between them. */
export interface LabelledWords extends TextFields, Located {
  readonly words: ReadonlyArray<string>
  readonly labels: ReadonlyArray<string>
}

/** A split of texts with labelled words. */
export interface LabelledWordsSplit extends RowSource<LabelledWords> {
  /** types of entities, or labels that belong to no scheme */
  readonly types: ReadonlyArray<string>
  /** number of rows with each type */
  readonly counts: ReadonlyArray<number>
}

export interface TokenClassificationData {
  /** labels in the order of the outputs */
  readonly labels: ReadonlyArray<string>
  readonly splits: BySplit<LabelledWordsSplit>
  readonly warnings: ReadonlyArray<string>
  readonly describe: () => ReadonlyArray<SplitSummary>
}

/** Where a label first follows another; null: the beginning or the end of a row. */
interface Pair {
  readonly before: string | null
  readonly after: string | null
  readonly row: number
  readonly word: number
}

interface WordsFile extends ScannedSource<LabelledWords> {
  /** each pair of neighbouring labels, at its first place */
  readonly pairs: ReadonlyMap<string, Pair>
}

/** Opens the files until the scope closes. `seed` selects the validation rows of a share. Fails with all problems at once. */
export const openTokenClassification = (
  section: TokenClassificationSection,
  seed: number
): Effect.Effect<TokenClassificationData, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const opened = yield* openSplitFiles(section, (path) => openWords(path, section))
    const given = Object.values(opened).flatMap((file) => neighboursIn(file).map(([, label]) => label))
    const isBio = schemeOf(section.labels ?? given) === "BIO"
    const hasIob1 = (file: WordsFile) => isBio && isIob1(neighboursIn(file))
    const files = mapSplits(opened, (file) => (hasIob1(file) ? asBio(file) : file))
    const readAsBio = Object.values(opened)
      .filter(hasIob1)
      .map(
        ({ where }) =>
          `${where}: the labels are IOB1 (entities begin with I-, and with B- only after another of their type); they are read as BIO`
      )
    const { train } = files
    const labels = section.labels ?? labelsIn(train)
    const many = tooManyLabels(train.where, labels)
    if (many !== undefined) return yield* many
    const scheme = schemeOf(labels)
    const problems = Object.values(files).flatMap((file) => {
      const unknown = unknownLabels(file, labels, section.labels !== undefined)
      const impossible = scheme === undefined ? [] : impossiblePairs(file, scheme)
      const all = unknown.length > 0 ? unknown : impossible
      return all.length === 0
        ? []
        : [new DataError({ where: file.where, problems: all.slice(0, mostProblems), total: all.length })]
    })
    if (problems.length > 0) return yield* joinDataErrors(problems)
    const rows = yield* rowsOfSplits(section, files, seed)
    const types = typesOf(labels)
    const splits = mapSplits(rows, (some): LabelledWordsSplit => {
      const counts = new Map<string, number>()
      for (const [set, count] of labelCounts(some.file.index, some.rows))
        for (const type of labelsOf(set)) counts.set(type, (counts.get(type) ?? 0) + count)
      return { ...sourceOf<LabelledWords>(some), types, counts: types.map((type) => counts.get(type) ?? 0) }
    })
    const unseen = Object.entries(splits).flatMap(([name, { where, counts }]) =>
      unseenLabels(name, where, types, counts)
    )
    return {
      labels,
      splits,
      warnings: [...readAsBio, ...unseen, ...repeatWarnings(rows)],
      describe: () =>
        describedSplits(splits, ({ counts }) => ({ classes: types.map((label, i) => ({ label, rows: counts[i]! })) }))
    }
  })

const neighboursIn = ({ pairs }: WordsFile) =>
  [...pairs.values()].flatMap(({ before, after }) => (after === null ? [] : [[before, after] as const]))

const asBio = (file: WordsFile): WordsFile => ({
  ...file,
  pairs: new Map(
    [...file.pairs].map(([key, { after, ...pair }]) => [
      key,
      { ...pair, after: after === null ? null : bioOfIob1(pair.before, after) }
    ])
  ),
  read: (rows) =>
    Effect.map(file.read(rows), (some) =>
      some.map((row) => ({
        ...row,
        labels: row.labels.map((label, i) => bioOfIob1(row.labels[i - 1] ?? null, label))
      }))
    )
})

const openWords = (path: string, section: TokenClassificationSection) =>
  Effect.suspend(() => {
    const { tokens, label, labels: names } = section
    const pairs = new Map<string, Pair>()
    let row = 0
    const opened = openTextFile<LabelledWords>(
      path,
      { text: tokens },
      {
        columns: [{ name: label, role: "label field" }],
        read: (fields, reasons) => {
          const words = wordsIn(fields[tokens])
          // of words that cannot be read, the problem is that of the text
          if ("problem" in words) return { words: [], labels: [] }
          return { words: words.list, labels: labelsOfRow(fields, label, words.list.length, names, reasons) }
        },
        label: ({ labels }) => setOf(typesOf(labels)),
        seen: ({ labels }) => {
          for (const [before, after, word] of pairsIn(labels)) {
            const key = JSON.stringify([before, after])
            if (!pairs.has(key)) pairs.set(key, { before, after, row, word })
          }
          row++
        }
      },
      {
        role: "text",
        textOf: (value) => {
          const words = wordsIn(value)
          return "problem" in words ? words : { text: words.list.join(" ") }
        }
      }
    )
    return Effect.map(opened, (file): WordsFile => ({ ...file, pairs }))
  })

function* pairsIn(labels: ReadonlyArray<string>): Generator<readonly [string | null, string | null, number]> {
  for (let i = 0; i <= labels.length; i++) yield [labels[i - 1] ?? null, labels[i] ?? null, i]
}

/** Reads the words of a cell: a list, or a JSON list as text; `problem` ends a sentence that begins with the column. */
export const wordsIn = (value: unknown): { readonly list: ReadonlyArray<string> } | { readonly problem: string } => {
  const list = listIn(value)
  if (list === undefined) return { problem: `is ${kindOf(value)}, expected a list of words` }
  if (list.length === 0) return { problem: "has no words" }
  const wrong = list.findIndex((word) => typeof word !== "string" || word.trim() === "")
  if (wrong < 0) return { list: list as ReadonlyArray<string> }
  const word = list[wrong]
  return { problem: `has ${typeof word === "string" ? "a blank" : kindOf(word)} as word ${wrong + 1}, expected text` }
}

const labelsOfRow = (
  fields: Fields,
  name: string,
  length: number,
  names: ReadonlyArray<string> | undefined,
  reasons: Array<string>
): ReadonlyArray<string> => {
  const value = fieldOf(fields, name, "label", reasons)
  if (value === undefined) return []
  const list = listIn(value)
  if (list === undefined) {
    reasons.push(`the labels "${name}" are ${kindOf(value)}, expected a list with a label per word`)
    return []
  }
  if (list.length !== length)
    reasons.push(`the labels "${name}" are ${list.length}, expected one for each of the ${length} words`)
  const problems = new Set<string>()
  const labels = list.map((label, i) => {
    const read = labelIn(label, names)
    if ("label" in read) return read.label
    if (problems.size === 0) problems.add(`label ${i + 1} of "${name}" ${read.problem}`)
    return ""
  })
  reasons.push(...problems)
  return labels
}

const labelIn = (
  label: unknown,
  names: ReadonlyArray<string> | undefined
): { readonly label: string } | { readonly problem: string } => {
  if (typeof label === "string") return label.trim() === "" ? { problem: "is blank" } : { label }
  if (typeof label !== "number") return { problem: `is ${kindOf(label)}, expected text` }
  if (names === undefined)
    return {
      problem: `is the number ${label}; list the names of the labels in data.labels, in the order of their numbers`
    }
  const named = names[label]
  return named === undefined
    ? { problem: `is ${label}, expected an index into the ${names.length} data.labels, from 0` }
    : { label: named }
}

const labelsIn = ({ pairs }: WordsFile): ReadonlyArray<string> => {
  const labels = [...new Set([...pairs.values()].flatMap(({ after }) => after ?? []))].sort()
  const scheme = schemeOf(labels)
  return scheme === undefined ? labels : schemeLabels(typesOf(labels), scheme)
}

const unknownLabels = (file: WordsFile, labels: ReadonlyArray<string>, declared: boolean): ReadonlyArray<string> => {
  const known = new Set(labels)
  const unknown = new Map<string, Pair>()
  for (const pair of file.pairs.values())
    if (pair.after !== null && !known.has(pair.after) && !unknown.has(pair.after)) unknown.set(pair.after, pair)
  const source = declared ? "data.labels has" : "the training rows have"
  return [...unknown].map(
    ([label, { row, word }]) =>
      `${placeOfRow(file, row)}: the label ${quotedLabel(label)} of word ${word + 1} is not among the labels; ${source} ${quotedLabels(labels)}${labelHint(label, labels)}`
  )
}

const impossiblePairs = (file: WordsFile, scheme: Scheme): ReadonlyArray<string> =>
  [...file.pairs.values()]
    .filter(({ before, after }) => !mayFollow(before, after, scheme))
    .map(({ before, after, row, word }) => {
      const place = placeOfRow(file, row)
      if (after === null)
        return `${place}: the row ends with ${quoted(before!)}, inside an entity (the labels are ${scheme})`
      const follows = before === null ? "begins the row" : `follows ${quoted(before)}`
      const begins = scheme === "BIO" ? "; the first word of an entity has B-" : ""
      return `${place}: the label ${quoted(after)} of word ${word + 1} ${follows}, which is impossible in ${scheme}${begins}`
    })
