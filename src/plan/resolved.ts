/** A plan that can run: what was asked of the world, beside the plan. What kind of plan it is, `data.format` said. */
import * as Schema from "effect/Schema"
import type { Selected } from "../../adapters/index.ts"
import type { ArraysPlan, CausalPlan, ClassificationPlan, RunPlan } from "../../schemas/index.ts"
import type { OpenedCausal } from "../data/causal/index.ts"
import type { ClassificationData, LengthPercentiles } from "../data/index.ts"
import type { CausalDescription, CheckpointSource } from "../models/causal/index.ts"
import type { DescribedLayers, DescribedModel, Tokenizer } from "../models/index.ts"
import type { CausalTokenizer } from "../tensors/index.ts"
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

interface Resolved<Plan extends RunPlan, Data> {
  /** with what was found out filled in: the labels */
  readonly plan: Plan
  readonly name: string
  /** the options of each site are the method's own (rank, alpha … for lora) */
  readonly selected: Selected<SiteOptions>
  readonly data: Data
  /** the model's folder or file on this machine */
  readonly base: string
  /** optimisation steps: given, or computed from the epochs */
  readonly steps: number
  readonly trainable: TrainableCounts
  readonly memory: MemoryEstimate
  readonly warnings: ReadonlyArray<string>
}

/** Labelled texts and a Hugging Face encoder. */
export interface ResolvedClassificationPlan extends Resolved<ClassificationPlan, ClassificationData> {
  readonly format: "classification"
  readonly model: DescribedModel
  readonly tokenizer: Tokenizer
  /** token lengths of a sample of the training rows; `truncated` at what the model and the plan allow */
  readonly lengths: LengthPercentiles
}

/** Labelled rows of numbers and a `tf.LayersModel`. */
export interface ResolvedArraysPlan extends Resolved<ArraysPlan, ClassificationData> {
  readonly format: "arrays"
  readonly model: DescribedLayers
}

/** A causal model, and the file or folder that its weights are read from. */
export interface DescribedCausal extends CausalDescription {
  readonly origin: CheckpointSource
}

/** Conversations, completions or texts and a causal language model. */
export interface ResolvedCausalPlan extends Resolved<CausalPlan, OpenedCausal> {
  readonly format: CausalPlan["data"]["format"]
  readonly model: DescribedCausal
  readonly tokenizer: CausalTokenizer
}

export const isResolvedCausal = (resolved: ResolvedPlan): resolved is ResolvedCausalPlan => "origin" in resolved.model

export type ResolvedPlan = ResolvedCausalPlan | ResolvedClassificationPlan | ResolvedArraysPlan
