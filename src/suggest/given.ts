/** What a plan is suggested for, by a model and files of rows that a user named. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type { Dialect, PlanError, RunPlan } from "../../schemas/index.ts"
import { DataDialect, type DataError } from "../data/index.ts"
import { planFromValue, type ResolveError } from "../plan/index.ts"
import type { Choice } from "./choice.ts"
import type { Columns } from "./columns.ts"
import { type Detecting, detect } from "./detect.ts"

/** As a user names them, relative to the working directory. */
export interface NamedSources {
  /** a folder, a file, or hf:owner/name */
  readonly model: string
  /** the training rows */
  readonly data: string
  readonly validation?: string
  readonly test?: string
  /** what of them is not found by looking */
  readonly columns: Columns
  readonly dialect: Dialect
}

/** A plan of which `model` and `data` alone are meant, and why they are so. */
export type NamedPlan = RunPlan & { readonly found: ReadonlyArray<Choice> }

/** Looks at the model and the first rows. `directory`: the working directory. */
export const namedPlan = (
  kinds: ReadonlyArray<Effect.Effect<{ readonly detecting: Detecting }>>,
  { model, data, columns, dialect, ...splits }: NamedSources,
  directory: string
): Effect.Effect<NamedPlan, DataError | PlanError | ResolveError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const detected = yield* detect(kinds, model, data, columns).pipe(Effect.provideService(DataDialect, dialect))
    const { format, ...own } = detected.data
    const plan = yield* planFromValue(
      {
        model: detected.model,
        data: { format, train: data, ...splits, ...dialect, ...own },
        // replaced by what is suggested
        optimizer: { kind: "adamw", learningRate: 1e-3 },
        training: { steps: 1 }
      },
      directory
    )
    return { ...plan, found: detected.found }
  })
