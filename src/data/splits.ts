/** The files of a `data` section as scanned sources, the assignment of rows to splits, and duplicate texts. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { DataSection, Dialect } from "../../schemas/index.ts"
import { wholeNumber } from "../boundary/index.ts"
import { type DataError, dataError, joinDataErrors, quotedLabel } from "./data-error.ts"
import { AskedSplit } from "./formats/index.ts"
import { holdOut } from "./order.ts"
import { placeOfRow, type Scanned } from "./scan.ts"
import { type RowSource, subset } from "./source.ts"
import { DataDialect } from "./text-file.ts"

/** Fields of a section that assign rows to splits. */
export type SplitSection = Pick<DataSection, "train" | "validation" | "test"> &
  Partial<Pick<DataSection, "holdOut">> &
  Dialect

// not an interface: Object.values infers its values
/** A value for each split of a plan. */
export type BySplit<A> = {
  /** value for training rows */
  readonly train: A
  /** value for rows evaluated during training; absent: the plan has no such split */
  readonly validation?: A
  /** value for rows evaluated at the end; absent: the plan has no such split */
  readonly test?: A
}

/** Applies a function to the value of each split. */
export const mapSplits = <A, B>({ train, validation, test }: BySplit<A>, change: (split: A) => B): BySplit<B> => ({
  train: change(train),
  ...(validation === undefined ? {} : { validation: change(validation) }),
  ...(test === undefined ? {} : { test: change(test) })
})

/** A split, its place and its number of rows. */
export interface DescribedSplit {
  /** name of the split */
  readonly split: "train" | "validation" | "test"
  /** its file, or the name of the source */
  readonly where: string
  /** number of rows */
  readonly rows: number
}

/** Describes each split, in the order of plans; `more` adds fields to its place and its rows. */
export const describedSplits = <A extends Pick<RowSource<unknown>, "where" | "rows">, More extends object>(
  splits: BySplit<A>,
  more: (source: A, split: keyof BySplit<A>) => More
): ReadonlyArray<DescribedSplit & More> =>
  (["train", "validation", "test"] as const).flatMap((split) => {
    const source = splits[split]
    if (source === undefined) return []
    const { where, rows } = source
    return [{ split, where, rows, ...more(source, split) }]
  })

/** Opens every file until the scope closes. Fails with all problems. */
export const openSplitFiles = <File extends Scanned, R = never>(
  section: SplitSection,
  openOne: (path: string) => Effect.Effect<File, DataError, R | Scope.Scope>
): Effect.Effect<BySplit<File>, DataError, R | Scope.Scope> =>
  Effect.gen(function* () {
    const requestedSplit = yield* AskedSplit
    const open = (path: string, split: keyof BySplit<unknown>) =>
      openOne(path).pipe(
        Effect.provideService(DataDialect, section),
        Effect.provideService(AskedSplit, requestedSplit ?? split),
        Effect.result
      )
    const train = yield* open(section.train, "train")
    const { validation: held } = section
    const validation = typeof held === "string" ? yield* open(held, "validation") : undefined
    const test = section.test === undefined ? undefined : yield* open(section.test, "test")
    const errors = [train, validation, test].flatMap((opened) =>
      opened && Result.isFailure(opened) ? [opened.failure] : []
    )
    if (errors.length > 0 || !Result.isSuccess(train)) return yield* joinDataErrors(errors)
    return {
      train: train.success,
      ...(validation && Result.isSuccess(validation) ? { validation: validation.success } : {}),
      ...(test && Result.isSuccess(test) ? { test: test.success } : {})
    }
  })

export interface SomeRows<File extends Scanned = Scanned> {
  readonly file: File
  /** default: all rows of the file */
  readonly rows?: Uint32Array
}

/** Returns these rows as a source. */
export const sourceOf = <Row>({ file, rows }: SomeRows<Scanned & RowSource<Row>>): RowSource<Row> =>
  rows === undefined ? file : subset(file, rows, file.where)

/** Receives the texts of evaluation splits that also occur in the training rows, once the files are read; null: no listener. */
export const LeakListener = Context.Reference<((leaks: ReadonlyArray<string>) => Effect.Effect<unknown>) | null>(
  "tfjs-lora-pro/LeakListener",
  { defaultValue: () => null }
)

/** Assigns the rows of files to splits; a validation share is held out of `train` by seed, stratified by class. */
export const rowsOfSplits = <File extends Scanned>(
  section: SplitSection,
  files: BySplit<File>,
  seed: number
): Effect.Effect<BySplit<SomeRows<File>>, DataError> =>
  Effect.tap(splitRows(section, files, seed), (rows) =>
    Effect.flatMap(LeakListener, (tell) =>
      tell === null ? Effect.void : tell(leaksOf(rows, firstOccurrences(rows.train)))
    )
  )

const splitRows = <File extends Scanned>(
  section: SplitSection,
  files: BySplit<File>,
  seed: number
): Effect.Effect<BySplit<SomeRows<File>>, DataError> => {
  const unsplit = mapSplits(files, (file): SomeRows<File> => ({ file }))
  if (typeof section.validation !== "number") return Effect.succeed(unsplit)
  const file = files.train
  if (file.rows < 2) {
    const reason = "the file has 1 row; holding out a share for validation needs at least 2"
    return Effect.fail(dataError(file.where, reason))
  }
  const { trainRows, heldOut } = holdOut(
    file.rows,
    section.validation,
    seed,
    section.holdOut === "random" ? undefined : file.index.label
  )
  return Effect.succeed({ ...unsplit, train: { file, rows: trainRows }, validation: { file, rows: heldOut } })
}

const mostExamples = 3

interface Repeats {
  rows: number
  /** those whose label differs from that of the row they duplicate */
  otherLabel: number
  readonly examples: Array<string>
  readonly otherLabelExamples: Array<string>
}

/**
 * Returns one sentence for each kind of duplicate texts: within the training rows, where they count twice, and between an evaluation
 * split and the training rows, where they make the model look better than it is. Duplicates with different labels are
 * reported separately: one of the labels is wrong, or the text does not determine it.
 *
 * Uses hashes in an open-addressing table of 8 to 16 bytes per training row that is freed after the check.
 */
export const repeatWarnings = ({ train, ...evaluated }: BySplit<SomeRows>): ReadonlyArray<string> => {
  const table = firstOccurrences(train)
  const warnings = warningsOf("train", train, table.repeatsWithin, (compared) => ({
    predicate: `repeat the ${compared} of an earlier row`,
    difference: `the same ${compared} as an earlier row but another label`
  }))
  return [...warnings, ...leaksOf({ train, ...evaluated }, table)]
}

const leaksOf = (
  { train: _, ...evaluated }: BySplit<SomeRows>,
  table: ReturnType<typeof firstOccurrences>
): ReadonlyArray<string> =>
  Object.entries(evaluated).flatMap(([name, split]) =>
    warningsOf(name, split, table.repeatsIn(split), (compared) => ({
      predicate: `have ${compared === "image" ? "an" : "a"} ${compared} that is also in train, so the model has already seen them`,
      difference: `the same ${compared} as a training row but another label`
    }))
  )

const count = ({ file, rows }: SomeRows): number => rows?.length ?? file.rows

const warningsOf = (
  name: string,
  split: SomeRows,
  { rows, otherLabel, examples, otherLabelExamples }: Repeats,
  words: (compared: string) => { readonly predicate: string; readonly difference: string }
): ReadonlyArray<string> => {
  const { predicate, difference } = words(split.file.compared ?? "text")
  const all = wholeNumber(count(split))
  const sentence = (some: number, words: string, like: ReadonlyArray<string>) =>
    some === 0
      ? []
      : [`${name} (${split.file.where}): ${wholeNumber(some)} of ${all} rows ${words} (${like.join(", ")})`]
  return [...sentence(rows, predicate, examples), ...sentence(otherLabel, `have ${difference}`, otherLabelExamples)]
}

/** Adds the rows to a table of first occurrences. Returns the existing entries of duplicates. */
const firstOccurrences = (train: SomeRows) => {
  const size = 2 ** Math.ceil(Math.log2(2 * count(train) + 1))
  const slots = new Uint32Array(size) // row + 1; 0 is free
  const { words } = train.file.hashes
  /** Returns the slot of the row whose text has this hash, or the free slot for it. */
  const slotOf = (high: number, low: number): number => {
    let slot = low & (size - 1)
    for (;;) {
      const row = slots[slot]! - 1
      if (row < 0 || (words[2 * row] === high && words[2 * row + 1] === low)) return slot
      slot = (slot + 1) & (size - 1)
    }
  }
  const collect = (split: SomeRows, enter: boolean): Repeats => {
    const repeats: Repeats = { rows: 0, otherLabel: 0, examples: [], otherLabelExamples: [] }
    const words = split.file.hashes.words
    forEachRow(split, (row) => {
      const slot = slotOf(words[2 * row]!, words[2 * row + 1]!)
      if (slots[slot] !== 0) addRepeat(repeats, split.file, row, train.file, slots[slot]! - 1)
      else if (enter) slots[slot] = row + 1
    })
    return repeats
  }
  return { repeatsWithin: collect(train, true), repeatsIn: (split: SomeRows) => collect(split, false) }
}

const forEachRow = (some: SomeRows, use: (row: number) => void): void => {
  const rows = count(some)
  for (let i = 0; i < rows; i++) use(some.rows?.[i] ?? i)
}

const addRepeat = (to: Repeats, file: Scanned, row: number, train: Scanned, first: number): void => {
  const example = `${placeOfRow(file, row)} = ${placeOfRow(train, first)}`
  to.rows++
  if (to.examples.length < mostExamples) to.examples.push(example)
  const labelOf = ({ index }: Scanned, at: number) => index.labels[index.label(at)]!.label
  const [evaluatedLabel, trainLabel] = [labelOf(file, row), labelOf(train, first)]
  if (evaluatedLabel === trainLabel) return
  to.otherLabel++
  if (to.otherLabelExamples.length < mostExamples)
    to.otherLabelExamples.push(`${example}: ${quotedLabel(evaluatedLabel)}, ${quotedLabel(trainLabel)}`)
}
