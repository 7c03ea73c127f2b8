/** A plan that can run: what was asked of the world, beside the plan. What kind of plan it is, `data.format` said. */
import * as Schema from "effect/Schema"
import type { Selected } from "../../adapters/index.ts"
import type { ArraysPlan, RunPlan, TextPlan } from "../../schemas/index.ts"
import type { ClassificationData, LengthPercentiles } from "../data/index.ts"
import type { DescribedLayers, DescribedModel, Tokenizer } from "../models/index.ts"
import type { MemoryEstimate, TrainableCounts } from "./memory.ts"

export class ResolveError extends Schema.TaggedError<ResolveError>()("ResolveError", {
  name: Schema.String,
  /** one message per problem; a message may have several lines */
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return this.problems.join("\n")
  }
}

export type SiteOptions = Readonly<Record<string, unknown>>

interface Resolved<Plan extends RunPlan> {
  /** with what was found out filled in: the labels */
  readonly plan: Plan
  readonly name: string
  /** the options of each site are the method's own (rank, alpha … for lora) */
  readonly selected: Selected<SiteOptions>
  readonly data: ClassificationData
  /** optimisation steps: given, or computed from the epochs */
  readonly steps: number
  readonly trainable: TrainableCounts
  readonly memory: MemoryEstimate
  readonly warnings: ReadonlyArray<string>
}

/** Labelled texts and a Hugging Face encoder. */
export interface ResolvedTextPlan extends Resolved<TextPlan> {
  readonly format: "classification"
  readonly model: DescribedModel
  readonly tokenizer: Tokenizer
  /** token lengths of a sample of the training rows; `truncated` at what the model and the plan allow */
  readonly lengths: LengthPercentiles
}

/** Labelled rows of numbers and a `tf.LayersModel`. */
export interface ResolvedArraysPlan extends Resolved<ArraysPlan> {
  readonly format: "arrays"
  readonly model: DescribedLayers
}

export type ResolvedPlan = ResolvedTextPlan | ResolvedArraysPlan
