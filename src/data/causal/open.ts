/**
 * Opens the `data` section of a causal model's plan: checks the chat template, scans every file, and prepares the splits for
 * reading. Problems that would otherwise stay silent are errors here, before weights are loaded.
 */

import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { type CausalData, messagesColumn } from "../../../schemas/index.ts"
import { counted, percent } from "../../boundary/index.ts"
import type { CausalTokenizer } from "../../tensors/index.ts"
import { columnsIn } from "../column-text.ts"
import { type Broken, isBroken } from "../columns.ts"
import { type DataError, dataError, joinDataErrors } from "../data-error.ts"
import type { Wanted } from "../formats/format.ts"
import { openRows } from "../formats/index.ts"
import { placeOfLine } from "../records.ts"
import { type ScannedSource, scanRows } from "../scan.ts"
import { type Located, type RowSource, subset } from "../source.ts"
import { type BySplit, mapSplits, openSplitFiles, repeatWarnings, rowsOfSplits, type SplitSection } from "../splits.ts"
import { nothingToLearn } from "./batches.ts"
import { checkTemplate, type Shapes, shapesOf, specialTexts } from "./checks.ts"
import { contentOf, conversationColumns } from "./content.ts"
import { type Encoding, type RowEncoder, rowEncoder, specialPattern } from "./encoder.ts"
import { measured, type RenderedSample, renderedSample, type TokenStatistics } from "./measure.ts"
import type { CausalContent, CausalRow } from "./row.ts"
import { type CausalSplit, causalSplit } from "./split.ts"

/** Splits of a causal language model's run. */
export type OpenedCausal = OpenedTokens<CausalSplit>

/** Splits of rows that become tokens, with warnings and statistics. */
export interface OpenedTokens<Split> {
  /** train, and the other splits of the plan */
  readonly splits: BySplit<Split>
  /** probable mistakes that are not errors, one sentence each */
  readonly warnings: ReadonlyArray<string>
  /** Returns rows and token statistics of every split, for a table. */
  readonly describe: () => ReadonlyArray<CausalSplitDescription>
  /** Returns the first training row as the model sees it. */
  readonly sample: () => Effect.Effect<RenderedSample, DataError>
}

/** A split with its rows and token statistics. */
export interface CausalSplitDescription extends TokenStatistics {
  /** name of the split */
  readonly split: "train" | "validation" | "test"
  /** its file, or the name of the source */
  readonly where: string
  /** number of rows */
  readonly rows: number
}

/** Opens the files until the scope closes. `seed` determines which rows a validation share holds out. */
export const openCausal = (
  section: CausalData,
  seed: number,
  tokenizer: CausalTokenizer
): Effect.Effect<OpenedCausal, DataError, Scope.Scope> =>
  openTokens<CausalRow, CausalSplit>(section, seed, tokenizer, {
    encoding: section,
    columns: columnsOf(section),
    read: (value) => {
      const content = contentOf(value, section)
      return isBroken(content) ? content : { content }
    },
    contents: ({ content }) => [content],
    splitOf: (source, encode, several) =>
      causalSplit(source, encode, section.format === "text" ? "continue" : "drop the end", several),
    sequences: (split) => split
  })

/** How rows of a file become one or more token sequences each. */
export interface TokenForm<Row extends Located, Split extends RowSource<Row>> {
  readonly encoding: Encoding
  readonly columns: NonNullable<Wanted["columns"]>
  readonly read: (value: unknown) => Omit<Row, "where"> | Broken
  /** returns the parts of a row that become tokens */
  readonly contents: (row: Omit<Row, "where">) => ReadonlyArray<CausalContent>
  /** creates a split; `several`: a row may become several sequences */
  readonly splitOf: (source: RowSource<Row>, encode: RowEncoder["encode"], several: boolean) => Split
  /** Returns a split's sequences, one per row. */
  readonly sequences: (split: Split) => CausalSplit
}

/** Opens the files of a section: checks the template, reads every row once, and measures the lengths of sequences. */
export const openTokens = <Row extends Located, Split extends RowSource<Row>>(
  section: SplitSection & Pick<CausalData, "maxLength">,
  seed: number,
  tokenizer: CausalTokenizer,
  { encoding, columns, read, contents, splitOf, sequences }: TokenForm<Row, Split>
): Effect.Effect<OpenedTokens<Split>, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const { template, warnings: templateWarnings } = yield* templateOf(encoding, tokenizer)
    const special = specialTexts(specialPattern(tokenizer))
    const { encode, write } = rowEncoder(encoding, tokenizer, template)
    const shapes = shapesOf(tokenizer, template, write)
    const check = (row: Omit<Row, "where">, where: string): Broken | undefined => {
      const refused = contents(row).map((content) => {
        special.check(content, where)
        return content.kind === "chat" ? shapes.refusal(content) : undefined
      })
      return refused.find((problem) => problem !== undefined)
    }
    const files = yield* openSplitFiles(section, (path) => openTokenRows(path, columns, read, contents, check))
    const rows = yield* rowsOfSplits(section, files, seed)
    const several = shapes.apart().size > 0 || (encoding.format === "chat" && encoding.turns === "apart")
    const splits = mapSplits(rows, ({ file, rows }) =>
      splitOf(rows === undefined ? file : subset(file, rows, file.where), encode, several)
    )
    const descriptions = yield* described(splits, sequences, section.maxLength, tokenizer.bosId)
    const warnings = [
      ...templateWarnings,
      ...special.warnings(),
      ...apartWarnings(shapes),
      ...descriptions.flatMap((description) => cutWarnings(description, section.maxLength, encoding.format === "text")),
      ...repeatWarnings(rows)
    ]
    return {
      splits,
      warnings,
      describe: () => descriptions,
      sample: () => renderedSample(sequences(splits.train), tokenizer, section.maxLength)
    }
  })

const templateOf = (encoding: Encoding, tokenizer: CausalTokenizer) => {
  if (encoding.format === "chat") {
    const checked = checkTemplate(tokenizer, encoding)
    if ("template" in checked) return Effect.succeed(checked)
    return Effect.fail(joinDataErrors(checked.problems.map((problem) => dataError("chat template", problem))))
  }
  if (tokenizer.eosId !== null) return Effect.succeed({ template: undefined, warnings: [] })
  const never = "so that the model would never learn to stop"
  return Effect.fail(dataError("tokenizer", `it has no end-of-text token (eos_token) to put after a text, ${never}`))
}

const names = ["train", "validation", "test"] as const

/** Measures every split. Fails if rows cannot be tokenized, or if there is nothing to learn, with the problems of all splits. */
const described = <Split extends Omit<RowSource<never>, "read">>(
  splits: BySplit<Split>,
  sequences: (split: Split) => CausalSplit,
  maxLength: number,
  bosId: number | null
): Effect.Effect<ReadonlyArray<CausalSplitDescription>, DataError> =>
  Effect.gen(function* () {
    const descriptions: Array<CausalSplitDescription> = []
    const errors: Array<DataError> = []
    for (const name of names) {
      const split = splits[name]
      if (split === undefined) continue
      const result = yield* Effect.result(measured(sequences(split), maxLength, bosId))
      if (Result.isFailure(result)) errors.push(result.failure)
      else {
        const { where, rows } = split
        descriptions.push({ split: name, where, rows, ...result.success })
        if (result.success.unlearned === 1) errors.push(dataError(where, nothingToLearn(maxLength)))
        if (result.success.doubled > 0) errors.push(dataError(where, doubledBeginning(result.success.doubled)))
      }
    }
    return errors.length > 0 ? yield* joinDataErrors(errors) : descriptions
  })

const doubledBeginning = (share: number): string =>
  `${percent(share)} of the rows begin with the beginning-of-text token, which the tokenizer adds as well; remove it from the texts`

const cutWarnings = (
  { split, where, truncated, unlearned }: CausalSplitDescription,
  maxLength: number,
  continues: boolean
): ReadonlyArray<string> => {
  const location = `${split} (${where})`
  const longer = `${location}: ${percent(truncated)} of the rows are longer than data.maxLength, ${maxLength} tokens, and are truncated`
  const lost = `${location}: of ${percent(unlearned)} of the rows nothing is left to learn after truncation; they are skipped`
  return [...(truncated > 0 && !continues ? [longer] : []), ...(unlearned > 0 ? [lost] : [])]
}

/** Reasons why turns become separate examples. */
const apartWarnings = (shapes: Shapes): ReadonlyArray<string> =>
  [...shapes.apart()].slice(0, 1).map(([reason]) => {
    const rows = [...shapes.apart().values()].reduce((sum, count) => sum + count, 0)
    const count = counted(rows, "conversation")
    return `turns: each of the assistant's turns in ${count} is a separate example, after the prompt that generation uses, since ${reason} (data.turns)`
  })

/** Opens and scans a file; takes 14 bytes of index and 8 of hash per row in memory. Rows with the same content are duplicates. Fails with all broken rows. */
const openTokenRows = <Row extends Located>(
  path: string,
  columns: NonNullable<Wanted["columns"]>,
  read: (value: unknown) => Omit<Row, "where"> | Broken,
  contents: (row: Omit<Row, "where">) => ReadonlyArray<CausalContent>,
  check: (row: Omit<Row, "where">, where: string) => Broken | undefined
): Effect.Effect<ScannedSource<Row>, DataError, Scope.Scope> =>
  Effect.flatMap(openRows(path, { columns }), (rows) =>
    scanRows<Row>(rows, {
      read: (value, line) => {
        const row = read(value)
        if (isBroken(row) || line === undefined) return row
        return check(row, placeOfLine(rows, line)) ?? row
      },
      text: (row) =>
        contents(row)
          .map((content) => JSON.stringify(content))
          .join("\n")
    })
  )

const columnsOf = (section: CausalData): NonNullable<Wanted["columns"]> => {
  const required = (...names: ReadonlyArray<string>) => names.map((name) => ({ name }))
  if (section.format === "text") return { required: required(section.text) }
  if (section.format === "completion") {
    return { required: required(...new Set([section.prompt, section.completion].flatMap(columnsIn))) }
  }
  const { messages, mapping } = section
  if (typeof messages === "object") {
    return {
      required: required(...new Set(messages.flatMap(({ content }) => columnsIn(content)))),
      optional: conversationColumns(section)
    }
  }
  if (mapping === "alpaca") return { required: required("instruction", "output"), optional: ["input", "system"] }
  const toolsColumn = section.tools === undefined ? [] : [section.tools]
  return { required: required(messagesColumn(section), ...toolsColumn), optional: conversationColumns(section) }
}
