/** Text embeddings with a Hugging Face encoder: training and inference. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Adapted, unadapted } from "../../../../adapters/index.ts"
import { loadDescribed } from "../../../models/index.ts"
import { adapterFolder } from "../../contract/adapter-folder.ts"
import type { Runner } from "../../contract/index.ts"
import { plannedBatches } from "../../rows/batches.ts"
import { askingTexts, onlyFile } from "../../rows/predictions.ts"
import { longestText } from "../resolve.ts"
import { loadEncoder } from "../run.ts"
import { openRelated, type RelatedSplit, relatedBatches } from "./data.ts"
import { evaluateRanking, evaluateSimilarity } from "./evaluate.ts"
import { contrast, cosent, cosineError, nested, type RelatedLoss } from "./loss.ts"
import { type EmbeddingModel, embeddingModel, vectorsOf } from "./model.ts"
import { columnsOf, describeEmbedder, type RelatedPlan, type ResolvedRelatedPlan } from "./resolve.ts"
import { sentenceSettings } from "./sentence-transformer.ts"

/** Labels were requested from an embedding model. */
class NoLabels extends Schema.TaggedError<NoLabels>()("NoLabels", {}) {
  override get message() {
    return "runs of embedding models have no labels to predict: use embed and compare the vectors"
  }
}

/** Returns the loss of a plan. */
const lossOf = ({ data, loss }: RelatedPlan): RelatedLoss => {
  const base =
    data.format === "embedding" || !("kind" in loss)
      ? contrast(loss.temperature)
      : loss.kind === "cosent"
        ? cosent(loss.temperature)
        : cosineError
  return loss.matryoshka === undefined ? base : nested(base, loss.matryoshka)
}

const embedOptions = (plan: RelatedPlan, model: Pick<EmbeddingModel, "maxLength">) => ({
  batchSize: plan.training.evaluateBatchSize,
  maxLength: longestText(plan, model)
})

export const runRelated: Runner<RelatedPlan, ResolvedRelatedPlan, EmbeddingModel, RelatedSplit> = {
  loss: (_, { plan }) => lossOf(plan),
  load: (resolved) => Effect.map(loadEncoder(resolved), embeddingModel),
  batches: (model, { plan, data }, start) =>
    plannedBatches(plan, longestText(plan, model), start, (options) =>
      relatedBatches(data.splits.train, model.tokenizer, options)
    ),
  splits: (_, plan, file) =>
    Effect.map(openRelated(onlyFile(plan.data, file), columnsOf(plan), plan.seed), ({ splits }) => splits),
  evaluate: (adapted, plan, source, options) => {
    const how = { loss: lossOf(plan), lossRows: plan.training.batchSize, embed: embedOptions(plan, adapted.model) }
    return plan.data.format === "embedding"
      ? evaluateRanking(adapted, source, how, options)
      : evaluateSimilarity(adapted, source, how, options)
  },
  asking: askingTexts(columnsOf),
  predict: () => Effect.fail(new NoLabels()),
  embed: (adapted, plan, texts) =>
    vectorsOf(adapted, texts, embedOptions(plan, adapted.model)).pipe(
      Effect.map((vectors) => rowsOf(vectors, adapted.model.hiddenSize))
    ),
  ...adapterFolder
}

const rowsOf = (vectors: Float32Array, width: number): ReadonlyArray<Float32Array> =>
  Array.from({ length: vectors.length / width }, (_, i) => vectors.slice(i * width, (i + 1) * width))

/** Texts per forward pass without a plan. */
const BATCH_SIZE = 32

/** Loads the embedding model in a folder, until the scope closes. */
export const openEmbedder = (folder: string) =>
  Effect.gen(function* () {
    const description = yield* describeEmbedder(folder)
    const settings = yield* sentenceSettings(folder)
    const adapted: Adapted<EmbeddingModel> = yield* unadapted(
      embeddingModel(yield* loadDescribed(description, { seed: 0 }))
    )
    const maxLength = Math.min(settings.maxLength ?? description.maxLength, description.maxLength)
    return {
      batchSize: BATCH_SIZE,
      embed: (texts: ReadonlyArray<string>) =>
        Effect.map(vectorsOf(adapted, texts, { batchSize: BATCH_SIZE, maxLength }), (vectors) =>
          rowsOf(vectors, description.hiddenSize)
        )
    }
  })
