/** What is made of an embedding model's run: a card for its adapter, and a folder that sentence-transformers loads. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { Adapted } from "../../../../adapters/index.ts"
import { unadapted } from "../../../../adapters/index.ts"
import type { RelatedSplit } from "../../../data/index.ts"
import { textsOfRow } from "../../../data/index.ts"
import { Device } from "../../../device/device.ts"
import { fileError, writeJson } from "../../../files/index.ts"
import { loadDescribed, MODULES, POOLING_FOLDER, SENTENCE_CONFIG } from "../../../models/index.ts"
import { CHECKED_ROWS, changeOf, checkedSplit, fenced, peftReader, writeMerged } from "../../../output/index.ts"
import type { Publisher, Runner, Trained } from "../../contract/kind.ts"
import { mergedRun } from "../../contract/merged-run.ts"
import { longestText } from "../resolve.ts"
import { servedEmbedder } from "../served.ts"
import { relatedCard } from "./card.ts"
import { type EmbeddingModel, embeddingModel, vectorsOf } from "./model.ts"
import { describeEmbedder, type RelatedPlan, type ResolvedRelatedPlan } from "./resolve.ts"

type Open = Runner<RelatedPlan, ResolvedRelatedPlan, EmbeddingModel, RelatedSplit>["splits"]

export const publishRelated: Publisher<RelatedPlan, ResolvedRelatedPlan, EmbeddingModel, RelatedSplit> = {
  readerOf: peftReader,
  mergesInto: "huggingface",
  served: {
    of: ({ plan, adapted }) => servedEmbedder({ plan, adapted })
  },
  card: relatedCard,
  merge: (trained, splits, run, folder) => merged(trained, splits, run, folder)
}

const merged = (
  { plan, adapted, steps }: Trained<RelatedPlan, EmbeddingModel>,
  splits: Open,
  run: string,
  folder: string
) => {
  const { model } = adapted
  return mergedRun({
    adapted,
    run,
    base: model.folder,
    width: model.hiddenSize,
    words: { output: "coordinate", answer: null },
    unmerged: checkedVectors(adapted, plan, splits),
    write: Effect.tap(writeMerged(adapted, folder), () => writeModules(model, longestText(plan, model), folder)),
    // how hidden states become vectors is in the folder
    merged: Effect.gen(function* () {
      const description = yield* describeEmbedder(folder)
      const alone = yield* unadapted(embeddingModel(yield* loadDescribed(description, { seed: 0 })))
      return yield* checkedVectors(alone, plan, splits)
    }),
    card: {
      pipeline: "sentence-similarity",
      tags: ["sentence-transformers", "feature-extraction"],
      introduction: [
        `Gives texts vectors of ${model.hiddenSize} numbers: ${changeOf(adapted, { alone: "an encoder" })}, trained for ${steps} steps and merged into the base model.`
      ],
      weights: plan.model.weights,
      leftOut: "they are a head's",
      usage
    }
  })
}

/** Vectors [rows, hidden] of the first texts of the rows that are compared, in their order. */
const checkedVectors = (adapted: Adapted<EmbeddingModel>, plan: RelatedPlan, open: Open) =>
  Effect.gen(function* () {
    const device = yield* Device
    const splits = yield* open(adapted, plan)
    const split = checkedSplit(splits)
    const source = splits[split]!
    const rows = yield* source.read(Array.from({ length: Math.min(CHECKED_ROWS, source.rows) }, (_, i) => i))
    const outputs = yield* vectorsOf(
      adapted,
      rows.map((row) => textsOfRow(row)[0]!),
      { batchSize: plan.training.evaluateBatchSize, maxLength: longestText(plan, adapted.model) }
    )
    yield* device.sync
    return { outputs, split }
  }).pipe(Effect.scoped)

/** sentence-transformers' files, in the spelling that all its versions read. */
const writeModules = ({ head, hiddenSize }: EmbeddingModel, maxLength: number, folder: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const folders = [POOLING_FOLDER, ...(head.output === "normalized" ? ["2_Normalize"] : [])]
    for (const name of folders) {
      const made = path.join(folder, name)
      yield* fs.makeDirectory(made).pipe(Effect.mapError(fileError("write", made)))
    }
    const modules = ["Transformer", "Pooling", "Normalize"].slice(0, 1 + folders.length)
    yield* writeJson(
      path.join(folder, MODULES),
      modules.map((name, idx) => ({
        idx,
        name: `${idx}`,
        path: idx === 0 ? "" : folders[idx - 1],
        type: `sentence_transformers.models.${name}`
      }))
    )
    yield* writeJson(path.join(folder, POOLING_FOLDER, "config.json"), {
      word_embedding_dimension: hiddenSize,
      pooling_mode_cls_token: head.pooling === "first",
      pooling_mode_mean_tokens: head.pooling === "mean",
      pooling_mode_max_tokens: false,
      pooling_mode_mean_sqrt_len_tokens: false
    })
    yield* writeJson(path.join(folder, SENTENCE_CONFIG), { max_seq_length: maxLength, do_lower_case: false })
    yield* writeJson(path.join(folder, "config_sentence_transformers.json"), {
      prompts: {},
      default_prompt_name: null,
      similarity_fn_name: "cosine"
    })
  })

const usage: ReadonlyArray<string> = [
  "It loads in sentence-transformers:",
  "",
  fenced("python", [
    "from sentence_transformers import SentenceTransformer",
    "",
    'model = SentenceTransformer("path/to/this/folder")',
    'vectors = model.encode(["a text", "another"])',
    "print(model.similarity(vectors, vectors))"
  ])
]
