/** Model and rows of a plan that has been trained: its classes are known, and nothing is to be found out. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import { isTextPlan, type RunPlan } from "../../schemas/index.ts"
import { type ClassificationData, type DataError, openArrays, openClassification } from "../data/index.ts"
import {
  type DescribedLayers,
  type DescribedModel,
  describe,
  describeLayersClassifier,
  inputSizeOf,
  type ModelError
} from "../models/index.ts"

interface RowsOptions {
  /** class names in the order of the logits */
  readonly labels: ReadonlyArray<string>
  /** another file with the plan's columns, in the place of its splits: its rows are called "train" */
  readonly file?: string
}

/** `section` with other rows. */
const rowsOf = <Section extends RunPlan["data"]>(section: Section, { labels, file }: RowsOptions): Section => {
  if (file === undefined) return { ...section, labels }
  const { validation: _, test: __, ...columns } = section
  return { ...columns, labels, train: file } as Section
}

export const openRows = (
  plan: RunPlan,
  options: RowsOptions
): Effect.Effect<ClassificationData, DataError | ModelError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  isTextPlan(plan)
    ? openClassification(rowsOf(plan.data, options), plan.seed)
    : Effect.flatMap(inputSizeOf(plan.model.source), (size) => openArrays(rowsOf(plan.data, options), plan.seed, size))

/** The model of the plan, by its headers. */
export const describePlanned = (
  plan: RunPlan
): Effect.Effect<DescribedModel | DescribedLayers, ModelError, FileSystem.FileSystem | Path.Path> => {
  const { labels = [] } = plan.data
  return isTextPlan(plan)
    ? describe(plan.model.source, { ...plan.model.task, labels })
    : describeLayersClassifier(plan.model.source, { labels, head: plan.model.head })
}
