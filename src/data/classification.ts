/**
 * The `data` section of a plan, opened: every file scanned, the labels settled, the splits ready to be read.
 *
 * Classes are the plan's `labels` in their order, or the labels found in `train`, sorted by code unit (so that no
 * locale changes a run). A validation share is held out of `train` by seed, not stratified.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { DataSection } from "../../schemas/data.ts"
import { type ClassificationSplit, classificationSplit } from "./classification-split.ts"
import { type DataError, dataError, joinDataErrors } from "./data-error.ts"
import { openLabelledFile } from "./labelled-file.ts"
import { classCounts, labelProblems, labelWarnings, settleLabels } from "./labels.ts"
import { holdOut } from "./order.ts"
import { repeatedTextWarnings } from "./repeated-texts.ts"
import type { ScannedSource } from "./scan.ts"
import { subset } from "./source.ts"

export interface ClassificationData {
  readonly labels: ReadonlyArray<string>
  readonly splits: {
    readonly train: ClassificationSplit
    readonly validation?: ClassificationSplit
    readonly test?: ClassificationSplit
  }
  /** what is not wrong but probably not meant, a sentence each */
  readonly warnings: ReadonlyArray<string>
  /** rows and class counts of every split, for a table */
  readonly describe: () => ReadonlyArray<SplitDescription>
}

export interface SplitDescription {
  readonly split: "train" | "validation" | "test"
  readonly where: string
  readonly rows: number
  readonly classes: ReadonlyArray<{ readonly label: string; readonly rows: number }>
}

/**
 * Opens the files until the scope closes. `seed` decides which rows a validation share holds out. All problems at once.
 */
export const openClassification = (
  section: DataSection,
  seed: number
): Effect.Effect<ClassificationData, DataError, Scope.Scope> =>
  openSplits(section, seed, (path) => openLabelledFile(path, { text: section.text, label: section.label }))

/** What of a section says which rows are whose. */
type SplitSection = Pick<DataSection, "train" | "validation" | "test" | "labels">

type Open = (path: string) => Effect.Effect<ScannedSource, DataError, Scope.Scope>

/** The splits of labelled rows, whatever a row is: `open` knows. */
export const openSplits = (
  section: SplitSection,
  seed: number,
  open: Open
): Effect.Effect<ClassificationData, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const files = yield* openFiles(section, (path) => Effect.result(open(path)))
    const labels = settleLabels(section.labels, files.train.index)
    const problems = Object.values(files).flatMap((file) => labelProblems(file, labels, section.labels !== undefined))
    if (problems.length > 0) return yield* joinDataErrors(problems)
    const { splits, repeats } = yield* splitsOf(section, files, labels, seed)
    const warnings = [...labelWarnings(splits, labels), ...repeats]
    return { labels, splits, warnings, describe: () => describe(splits) }
  })

interface Files {
  readonly train: ScannedSource
  readonly validation?: ScannedSource
  readonly test?: ScannedSource
}

const openFiles = (
  section: SplitSection,
  open: (path: string) => Effect.Effect<Result.Result<ScannedSource, DataError>, never, Scope.Scope>
): Effect.Effect<Files, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const train = yield* open(section.train)
    const validation = typeof section.validation === "string" ? yield* open(section.validation) : undefined
    const test = section.test === undefined ? undefined : yield* open(section.test)
    const results = [train, validation, test]
    const errors = results.flatMap((result) => (result && Result.isFailure(result) ? [result.failure] : []))
    if (errors.length > 0 || !Result.isSuccess(train)) return yield* joinDataErrors(errors)
    return {
      train: train.success,
      ...(validation && Result.isSuccess(validation) ? { validation: validation.success } : {}),
      ...(test && Result.isSuccess(test) ? { test: test.success } : {})
    }
  })

interface Split {
  readonly file: ScannedSource
  /** all of the file's rows unless given */
  readonly rows?: Uint32Array
}

/** The splits, and a sentence for each way in which their texts repeat. */
const splitsOf = (section: SplitSection, files: Files, labels: ReadonlyArray<string>, seed: number) =>
  Effect.map(rowsOf(section, files, seed), ({ train, ...evaluated }) => {
    const split = ({ file, rows }: Split) => {
      const source = rows === undefined ? file : subset(file, rows, file.where)
      return classificationSplit(source, labels, classCounts(file.index, labels, rows))
    }
    const hashed = ({ file, rows }: Split) => ({
      where: file.where,
      index: file.index,
      hashes: file.hashes,
      ...(rows === undefined ? {} : { rows })
    })
    const splits: ClassificationData["splits"] = { train: split(train), ...mapSplits(evaluated, split) }
    return { splits, repeats: repeatedTextWarnings(hashed(train), mapSplits(evaluated, hashed)) }
  })

type Evaluated<A> = { readonly validation?: A; readonly test?: A }

const mapSplits = <A, B>({ validation, test }: Evaluated<A>, change: (split: A) => B): Evaluated<B> => ({
  ...(validation === undefined ? {} : { validation: change(validation) }),
  ...(test === undefined ? {} : { test: change(test) })
})

/** Which rows of which file each split is. */
const rowsOf = (
  section: SplitSection,
  { train: file, ...evaluated }: Files,
  seed: number
): Effect.Effect<{ readonly train: Split } & Evaluated<Split>, DataError> => {
  const whole = mapSplits(evaluated, (file): Split => ({ file }))
  if (typeof section.validation !== "number") return Effect.succeed({ train: { file }, ...whole })
  if (file.rows < 2) {
    const reason = "the file has 1 row; to hold out a share of it for validation at least 2 are needed"
    return Effect.fail(dataError(file.where, reason))
  }
  const { kept, heldOut } = holdOut(file.rows, section.validation, seed)
  return Effect.succeed({ ...whole, train: { file, rows: kept }, validation: { file, rows: heldOut } })
}

const describe = (splits: ClassificationData["splits"]): ReadonlyArray<SplitDescription> =>
  (["train", "validation", "test"] as const).flatMap((name) => {
    const split = splits[name]
    if (split === undefined) return []
    const classes = split.labels.map((label, i) => ({ label, rows: split.classCounts?.[i] ?? 0 }))
    return [{ split: name, where: split.where, rows: split.rows, classes }]
  })
