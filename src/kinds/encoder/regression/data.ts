/** Opens the `data` section of regression plans: scans every file, determines the scaling of the targets and builds the splits. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type RegressionSection, targetsOf } from "../../../../schemas/index.ts"
import { quoted } from "../../../boundary/index.ts"
import {
  type BySplit,
  type DataError,
  describedSplits,
  mapSplits,
  numberTargets,
  openSplitFiles,
  openTextFile,
  type RowSource,
  repeatWarnings,
  rowsOfSplits,
  sourceOf,
  type TargetText
} from "../../../data/index.ts"
import type { SplitSummary } from "../../../plan/index.ts"

/** Mean and standard deviation of each target. */
export type Scaling = NonNullable<RegressionSection["scaling"]>

/** Statistics of a target's values on a split. */
interface Spread {
  readonly target: string
  readonly mean: number
  /** population standard deviation */
  readonly deviation: number
  readonly least: number
  readonly most: number
}

export interface RegressionSplit extends SplitSummary {
  readonly targets: ReadonlyArray<Spread>
}

export interface RegressionData {
  /** names of the target columns */
  readonly targets: ReadonlyArray<string>
  readonly splits: BySplit<RowSource<TargetText>>
  readonly scaling: Scaling
  /** target values of every split, [rows, targets], row-major */
  readonly values: BySplit<Float64Array>
  readonly warnings: ReadonlyArray<string>
  readonly describe: () => ReadonlyArray<RegressionSplit>
}

/** Opens the files until the scope closes. `seed` selects the validation rows of a share. Fails with all problems at once. */
export const openRegression = (
  section: RegressionSection,
  seed: number
): Effect.Effect<RegressionData, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const targets = targetsOf(section)
    const files = yield* openSplitFiles(section, (path) =>
      Effect.suspend(() => {
        const values: Array<number> = []
        const collect = ({ targets: rowTargets }: Pick<TargetText, "targets">) => void values.push(...rowTargets)
        return Effect.map(openTextFile(path, section, { ...numberTargets(targets), seen: collect }), (file) => ({
          ...file,
          values
        }))
      })
    )
    const rows = yield* rowsOfSplits(section, files, seed)
    const values = mapSplits(rows, ({ file, rows: some }) => valuesOf(file.values, targets.length, some))
    const spreads = mapSplits(values, (all) => targets.map((target, i) => spreadOf(target, all, targets.length, i)))
    const scaling = section.scaling ?? scalingOf(spreads.train)
    const splits = mapSplits(rows, (some): RowSource<TargetText> => sourceOf(some))
    const constant = spreads.train.filter(({ deviation }) => deviation === 0)
    return {
      targets,
      splits,
      scaling,
      values,
      warnings: [
        ...constant.map(
          ({ target, mean }) =>
            `train (${splits.train.where}): the target ${quoted(target)} is ${mean} in every row, so the model cannot learn it`
        ),
        ...repeatWarnings(rows)
      ],
      describe: () => describedSplits(splits, (_, split) => ({ targets: spreads[split] ?? [] }))
    }
  })

/** Returns the scaling of the targets. The deviation of constant targets is 1. */
const scalingOf = (spreads: ReadonlyArray<Spread>): Scaling => ({
  mean: spreads.map(({ mean }) => mean),
  deviation: spreads.map(({ deviation }) => (deviation === 0 ? 1 : deviation))
})

/** Returns the values [rows, width] of some rows of a file. */
const valuesOf = (all: ReadonlyArray<number>, width: number, rows: Uint32Array | undefined): Float64Array =>
  rows === undefined
    ? Float64Array.from(all)
    : Float64Array.from(
        { length: rows.length * width },
        (_, i) => all[rows[Math.floor(i / width)]! * width + (i % width)]!
      )

const spreadOf = (target: string, values: Float64Array, width: number, at: number): Spread => {
  const ofTarget = values.filter((_, i) => i % width === at)
  const mean = ofTarget.reduce((sum, value) => sum + value, 0) / ofTarget.length
  const variance = ofTarget.reduce((sum, value) => sum + (value - mean) ** 2, 0) / ofTarget.length
  const least = ofTarget.reduce((low, value) => Math.min(low, value), Number.POSITIVE_INFINITY)
  const most = ofTarget.reduce((high, value) => Math.max(high, value), Number.NEGATIVE_INFINITY)
  return { target, mean, deviation: Math.sqrt(variance), least, most }
}
