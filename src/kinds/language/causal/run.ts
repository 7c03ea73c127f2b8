/** Causal language models on conversations, completions or texts: training and inference. */
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
import type { CausalModel } from "../../../models/causal/index.ts"
import { countedTokens, evaluateTokens, tokenCrossEntropy, tokenSums } from "../../../training/index.ts"
import type { Runner } from "../../contract/index.ts"
import { evaluatedBatches, plannedBatches } from "../../rows/batches.ts"
import { onlyFile } from "../../rows/predictions.ts"
import type { ResolvedLanguagePlan } from "../kind.ts"
import { languageRunner, loadLanguage, longest } from "../run.ts"

export type ResolvedCausalPlan = ResolvedLanguagePlan<CausalPlan, OpenedCausal>

export const runCausal: Runner<CausalPlan, ResolvedCausalPlan, CausalModel, CausalSplit> = {
  ...languageRunner((source: CausalSplit) => source),
  loss: () => tokenCrossEntropy,
  load: loadLanguage,
  batches: (model, { plan, data }, start) =>
    plannedBatches(
      plan,
      longest(plan, model),
      start,
      (options) => causalTrainingBatches(data.splits.train, model.tokenizer, { ...options, packing: plan.data.packing })
      // a batch's loss is the mean over its labels; accumulation weights batches by their number of labels
    ).pipe(Stream.map((batch) => ({ ...batch, counted: countedTokens(batch) }))),
  splits: ({ model }, { data, seed }, file) =>
    Effect.map(openCausal(onlyFile(data, file), seed, model.tokenizer), ({ splits }) => splits),
  evaluate: (adapted, plan, source, { rows, done, scored }) =>
    Effect.gen(function* () {
      const { model } = adapted
      const batches = evaluatedBatches(plan, longest(plan, model), rows, (options) =>
        causalEvaluationBatches(source, model.tokenizer, { ...options, packing: plan.data.packing })
      )
      const rowsOf = ({ rows }: CausalEvaluationBatch) => new Set(rows.flat()).size
      const sums = tokenSums()
      const evaluation = yield* batches.pipe(
        evaluateTokens(adapted, rowsOf, (count, batch, losses, right) => {
          const rowAt = (position: number) =>
            batch.rows[Math.floor(position / batch.length)]![batch.segments[position]!]!
          if (scored !== undefined) sums.add(batch, losses, right, rowAt)
          return done(count)
        })
      )
      scored?.(sums.read())
      return evaluation
    }),
  generation: {
    writing: ({ adapted, plan }) => ({
      adapted,
      plan,
      chat: plan.data.format === "chat",
      system: plan.data.format === "chat" ? plan.data.system : undefined
    }),
    splits: ({ adapted }, plan, file) => runCausal.splits(adapted, plan, file)
  }
}
