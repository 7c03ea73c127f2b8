/** Model and rows of a plan that has been trained: its classes are known, and nothing is to be found out. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import {
  type ArraysPlan,
  type CausalPlan,
  type ClassificationPlan,
  isArraysPlan,
  isCausalPlan,
  isClassificationPlan,
  type RunPlan
} from "../../schemas/index.ts"
import { type ClassificationData, type DataError, openArrays, openClassification } from "../data/index.ts"
import { describe, describeLayersClassifier, inputSizeOf, type ModelError } from "../models/index.ts"
import type { CausalTokenizer } from "../tensors/causal-rows.ts"
import type { ResolvedPlan } from "./resolved.ts"

interface RowsOptions {
  /** class names in the order of the logits */
  readonly labels: ReadonlyArray<string>
  /** another file with the plan's columns, in the place of its splits: its rows are called "train" */
  readonly file?: string
}

/** `section` with other rows. */
const rowsOf = <Section extends (ClassificationPlan | ArraysPlan)["data"]>(
  section: Section,
  { labels, file }: RowsOptions
): Section => {
  if (file === undefined) return { ...section, labels }
  const { validation: _, test: __, ...columns } = section
  return { ...columns, labels, train: file } as Section
}

type World = FileSystem.FileSystem | Path.Path

/** Labelled rows of a plan whose model is trained. */
export const openRows = (
  plan: ClassificationPlan | ArraysPlan,
  options: RowsOptions
): Effect.Effect<ClassificationData, DataError | ModelError, World | Scope.Scope> =>
  isArraysPlan(plan)
    ? Effect.flatMap(inputSizeOf(plan.model.source), (size) => openArrays(rowsOf(plan.data, options), plan.seed, size))
    : openClassification(rowsOf(plan.data, options), plan.seed)

/** Rows of any plan whose model is trained and loaded. */
export const openSplits = (
  plan: RunPlan,
  { tokenizer, ...options }: RowsOptions & { readonly tokenizer?: CausalTokenizer | undefined }
): Effect.Effect<OpenedSplits, DataError | ModelError, World | Scope.Scope> => {
  if (!isCausalPlan(plan)) return openRows(plan, options)
  const { file } = options
  const { validation: _, test: __, ...columns } = plan.data
  const section = file === undefined ? plan.data : { ...columns, train: file }
  return Effect.gen(function* () {
    const { openCausal } = yield* Effect.promise(() => import("../data/causal/index.ts"))
    return yield* openCausal(section as CausalPlan["data"], plan.seed, tokenizer!)
  })
}

type OpenedSplits = Pick<ResolvedPlan["data"], "splits">

/** The model of the plan, by its headers. */
export const describePlanned = (
  plan: RunPlan
): Effect.Effect<ResolvedPlan["model"], ModelError, World | Scope.Scope> => {
  if (isClassificationPlan(plan)) {
    return describe(plan.model.source, { ...plan.model.task, labels: plan.data.labels })
  }
  if (isArraysPlan(plan)) {
    return describeLayersClassifier(plan.model.source, { labels: plan.data.labels ?? [], head: plan.model.head })
  }
  return Effect.gen(function* () {
    const { describeCausal, openSource } = yield* Effect.promise(() => import("../models/causal/index.ts"))
    const origin = yield* openSource(plan.model.source)
    return { ...(yield* describeCausal(origin)), origin }
  })
}
