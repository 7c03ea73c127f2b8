/** Text embeddings: resolves a plan before its weights are read. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { EmbeddingPlan, SimilarityPlan } from "../../../../schemas/index.ts"
import type { Sources } from "../../../hub/hub.ts"
import { type DescribedModel, describe, ModelError } from "../../../models/index.ts"
import { ResolveError } from "../../../plan/index.ts"
import { type ResolvedEncoderPlan, resolveEncoder } from "../resolve.ts"
import { openRelated, type RelatedColumns, type RelatedData, singleTexts } from "./data.ts"
import { sentenceSettings } from "./sentence-transformer.ts"

export type RelatedPlan = EmbeddingPlan | SimilarityPlan

export interface ResolvedRelatedPlan extends ResolvedEncoderPlan<RelatedPlan, RelatedData> {}

export const columnsOf = ({ data }: Pick<RelatedPlan, "data">): RelatedColumns =>
  data.format === "embedding"
    ? { text: data.anchor, textPair: data.positive, negative: data.negative }
    : { text: data.text, textPair: data.textPair, score: data.score }

/** Returns the number of texts per row. */
export const textsOf = (plan: Pick<RelatedPlan, "data">): number => (columnsOf(plan).negative === undefined ? 2 : 3)

type Task = RelatedPlan["model"]["task"]

/** Describes the model in a folder. Task fields that the plan omits come from the folder, or are the defaults. */
export const describeEmbedder = (
  folder: string,
  task: Pick<Task, "pooling" | "normalize"> = {}
): Effect.Effect<DescribedModel, ModelError, Sources> =>
  Effect.gen(function* () {
    const settings = yield* sentenceSettings(folder)
    const { pooling = settings.pooling ?? "mean", normalize = settings.normalize ?? true } = task
    // a plan with a pooling overrides the folder's settings
    if (task.pooling === undefined && settings.unsupported.length > 0) {
      const hint = "; model.task.pooling uses the last hidden states without it"
      return yield* new ModelError({ folder, problems: settings.unsupported.map((problem) => problem + hint) })
    }
    return yield* describe(folder, { pooling: pooling === "cls" ? "first" : pooling, normalize })
  })

export const describeRelated = ({ model }: RelatedPlan) => describeEmbedder(model.source, model.task)

/** Returns the task of a described model. */
const taskOf = ({ head }: DescribedModel): Task => ({
  kind: "embedding",
  pooling: head.pooling === "mean" ? "mean" : "cls",
  normalize: head.output === "normalized"
})

export const resolveRelated = (
  plan: RelatedPlan,
  name: string
): Effect.Effect<ResolvedRelatedPlan, ResolveError, Sources | Scope.Scope> =>
  Effect.gen(function* () {
    const data = yield* Effect.result(openRelated(plan.data, columnsOf(plan), plan.seed))
    const model = yield* Effect.result(describeRelated(plan))
    const resolved = yield* resolveEncoder(plan, name, {
      data,
      model,
      texts: textsOf(plan),
      textsOf: ({ splits }) => singleTexts(splits.train),
      filled: (_, described) => ({ ...plan, model: { ...plan.model, task: taskOf(described) } })
    })
    const problems = Result.isSuccess(model) ? sizeProblems(plan, model.success) : []
    if (problems.length > 0) return yield* new ResolveError({ name, problems })
    return { ...resolved, warnings: [...resolved.warnings, ...comparedApart(plan)] }
  })

const sizeProblems = ({ loss }: RelatedPlan, { hiddenSize }: DescribedModel): ReadonlyArray<string> =>
  (loss.matryoshka ?? []).flatMap((size, i) =>
    size <= hiddenSize
      ? []
      : [
          `loss.matryoshka.${i}: found ${size}, but the model's vectors have ${hiddenSize} coordinates; expected at most that`
        ]
  )

const comparedApart = ({ training: { accumulate, batchSize } }: RelatedPlan): ReadonlyArray<string> =>
  accumulate === 1
    ? []
    : [
        `training.accumulate ${accumulate}: rows are contrasted only with those of their batch of ${batchSize}, not from all ${accumulate * batchSize} of a step; raise training.batchSize to compare more`
      ]
