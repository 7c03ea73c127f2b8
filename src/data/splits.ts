/** The files of a `data` section as scanned sources, and which of their rows are which split's. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { DataSection } from "../../schemas/data.ts"
import { type DataError, dataError, joinDataErrors } from "./data-error.ts"
import { holdOut } from "./order.ts"
import { repeatedTextWarnings } from "./repeated-texts.ts"
import type { ScannedSource } from "./scan.ts"

/** The part of a section that says which rows belong to which split. */
export type SplitSection = Pick<DataSection, "train" | "validation" | "test">

// no interface: Object.values infers its values
export type BySplit<A> = {
  readonly train: A
  readonly validation?: A
  readonly test?: A
}

export const mapSplits = <A, B>({ train, validation, test }: BySplit<A>, change: (split: A) => B): BySplit<B> => ({
  train: change(train),
  ...(validation === undefined ? {} : { validation: change(validation) }),
  ...(test === undefined ? {} : { test: change(test) })
})

/** Opens every file until the scope closes. All problems at once. */
export const openSplitFiles = (
  section: SplitSection,
  openOne: (path: string) => Effect.Effect<ScannedSource, DataError, Scope.Scope>
): Effect.Effect<BySplit<ScannedSource>, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const open = (path: string) => Effect.result(openOne(path))
    const train = yield* open(section.train)
    const validation = typeof section.validation === "string" ? yield* open(section.validation) : undefined
    const test = section.test === undefined ? undefined : yield* open(section.test)
    const errors = [train, validation, test].flatMap((one) => (one && Result.isFailure(one) ? [one.failure] : []))
    if (errors.length > 0 || !Result.isSuccess(train)) return yield* joinDataErrors(errors)
    return {
      train: train.success,
      ...(validation && Result.isSuccess(validation) ? { validation: validation.success } : {}),
      ...(test && Result.isSuccess(test) ? { test: test.success } : {})
    }
  })

export interface SomeRows {
  readonly file: ScannedSource
  /** all of the file's rows unless given */
  readonly rows?: Uint32Array
}

/** Which rows of which file each split is; a validation share is held out of `train` by seed. */
export const rowsOfSplits = (
  section: SplitSection,
  files: BySplit<ScannedSource>,
  seed: number
): Effect.Effect<BySplit<SomeRows>, DataError> => {
  const whole = mapSplits(files, (file): SomeRows => ({ file }))
  if (typeof section.validation !== "number") return Effect.succeed(whole)
  const file = files.train
  if (file.rows < 2) {
    const reason = "the file has 1 row; to hold out a share of it for validation at least 2 are needed"
    return Effect.fail(dataError(file.where, reason))
  }
  const { kept, heldOut } = holdOut(file.rows, section.validation, seed)
  return Effect.succeed({ ...whole, train: { file, rows: kept }, validation: { file, rows: heldOut } })
}

/** A sentence for each way in which the splits' texts repeat. */
export const repeatWarnings = (rows: BySplit<SomeRows>): ReadonlyArray<string> => {
  const { train, ...evaluated } = mapSplits(rows, ({ file: { where, index, hashes }, rows }) => ({
    where,
    index,
    hashes,
    ...(rows === undefined ? {} : { rows })
  }))
  return repeatedTextWarnings(train, evaluated)
}
