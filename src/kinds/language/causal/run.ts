/** Conversations, completions or texts and a causal language model. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { CausalPlan } from "../../../../schemas/index.ts"
import {
  type CausalEvaluationBatch,
  type CausalSplit,
  causalEvaluationBatches,
  causalTrainingBatches,
  type OpenedCausal,
  openCausal
} from "../../../data/causal/index.ts"
import { Device } from "../../../device/device.ts"
import type { CausalModel } from "../../../models/causal/index.ts"
import { countedTokens, evaluateTokens, tokenCrossEntropy, tokenSums } from "../../../training/index.ts"
import { adapterFolder } from "../../contract/adapter-folder.ts"
import type { Runner } from "../../contract/index.ts"
import type { ResolvedLanguagePlan } from "../resolve.ts"
import {
  askedPrompt,
  loadLanguage,
  longest,
  noLabels,
  promptsOf,
  restoreLanguage,
  saveLanguage,
  sectionFor
} from "../run.ts"

export type ResolvedCausalPlan = ResolvedLanguagePlan<CausalPlan, OpenedCausal>

export const runCausal: Runner<CausalPlan, ResolvedCausalPlan, CausalModel, CausalSplit> = {
  loss: () => tokenCrossEntropy,
  load: loadLanguage,
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
  splits: ({ model }, { data, seed }, file) =>
    Effect.map(openCausal(sectionFor(data, file), seed, model.tokenizer), ({ splits }) => splits),
  evaluate: (adapted, plan, source, { rows, done, scored }) =>
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
      const sums = tokenSums()
      const evaluation = yield* batches.pipe(
        evaluateTokens(adapted, rowsOf, (count, batch, losses, right) => {
          const rowAt = (place: number) => batch.rows[Math.floor(place / batch.length)]![batch.segments[place]!]!
          if (scored !== undefined) sums.add(batch, losses, right, rowAt)
          return done(count)
        })
      )
      scored?.(sums.read())
      return evaluation
    }),
  asking: { fields: askedPrompt, examples: (source, _, rows) => promptsOf(source, rows) },
  predict: noLabels,
  generation: {
    writing: ({ adapted, plan }) => ({
      adapted,
      plan,
      chat: plan.data.format === "chat",
      system: plan.data.format === "chat" ? plan.data.system : undefined
    }),
    splits: ({ adapted }, plan, file) => runCausal.splits(adapted, plan, file)
  },
  save: saveLanguage,
  restore: restoreLanguage,
  begin: adapterFolder.begin
}
