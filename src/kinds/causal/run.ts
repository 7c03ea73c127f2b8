/** Conversations, completions or texts and a causal language model. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { CausalPlan } from "../../../schemas/index.ts"
import {
  type CausalEvaluationBatch,
  type CausalSplit,
  causalEvaluationBatches,
  causalTrainingBatches,
  openCausal
} from "../../data/causal/index.ts"
import { Device } from "../../device/device.ts"
import { type CausalModel, loadCausal } from "../../models/causal/index.ts"
import { restoreAdapter, saveAdapter } from "../../output/adapter-folder.ts"
import { countedTokens, evaluateTokens, tokenCrossEntropy } from "../../training/index.ts"
import type { Runner } from "../kind.ts"
import type { ResolvedCausalPlan } from "./resolve.ts"

/** A language model was asked for labels. */
class NoLabels extends Schema.TaggedError<NoLabels>()("NoLabels", {}) {
  override get message() {
    return "the run of a language model has no labels to predict: use generate or chat"
  }
}

const longest = ({ data }: CausalPlan, { maxLength }: CausalModel): number => Math.min(data.maxLength, maxLength)

export const runCausal: Runner<CausalPlan, ResolvedCausalPlan, CausalModel, CausalSplit> = {
  loss: () => tokenCrossEntropy,
  load: ({ plan, model, selected }) =>
    loadCausal(model.origin, model, { weights: plan.model.weights, whole: selected.parameters }),
  batches: (model, { plan, data }, start) =>
    Stream.unwrap(
      Effect.map(Device, ({ padMultiple }) =>
        causalTrainingBatches(data.splits.train, model.tokenizer, {
          seed: plan.seed,
          batchSize: plan.training.batchSize,
          bucketPool: plan.data.bucketPool,
          packing: plan.data.packing,
          maxLength: longest(plan, model),
          padMultiple,
          start
        })
      )
      // the loss of a batch is the mean over its labels: as many count where batches are accumulated
    ).pipe(Stream.map((batch) => ({ ...batch, counted: countedTokens(batch) }))),
  splits: ({ model }, plan, file) => {
    const { validation: _, test: __, ...columns } = plan.data
    const section = file === undefined ? plan.data : ({ ...columns, train: file } as CausalPlan["data"])
    return Effect.map(openCausal(section, plan.seed, model.tokenizer), ({ splits }) => splits)
  },
  evaluate: (adapted, plan, source, { rows, done }) =>
    Effect.gen(function* () {
      const { padMultiple } = yield* Device
      const { model } = adapted
      const batches = causalEvaluationBatches(source, model.tokenizer, {
        batchSize: plan.training.evaluateBatchSize,
        packing: plan.data.packing,
        maxLength: longest(plan, model),
        padMultiple,
        ...(rows === undefined ? {} : { rows })
      })
      const rowsOf = ({ rows }: CausalEvaluationBatch) => new Set(rows.flat()).size
      return yield* batches.pipe(evaluateTokens(adapted, rowsOf, done))
    }),
  predict: () => Effect.fail(new NoLabels()),
  generation: {
    writing: ({ adapted, plan }) => ({
      adapted,
      plan,
      chat: plan.data.format === "chat",
      system: plan.data.format === "chat" ? plan.data.system : undefined
    }),
    splits: ({ adapted }, plan, file) => runCausal.splits(adapted, plan, file)
  },
  save: (adapted, resolved, folder) => {
    const { origin, source } = resolved.model
    // llama.cpp's converter asks for the base's config.json, which is not in a GGUF file's folder
    return saveAdapter(adapted, resolved, folder, source.endsWith(".gguf") ? origin.config : undefined)
  },
  restore: (adapted, _, folder) => restoreAdapter(adapted, folder)
}
