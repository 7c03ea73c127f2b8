/** Causal language models on pairs of answers: training and inference. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { PreferenceLoss, PreferencePlan } from "../../../../schemas/index.ts"
import { mapSplits } from "../../../data/index.ts"
import {
  chosenOf,
  type OpenedPreferences,
  openPreferences,
  type PairRows,
  type PreferenceSplit,
  pairEvaluationBatches,
  pairTrainingBatches
} from "../../../data/preference/index.ts"
import { Device } from "../../../device/device.ts"
import { both, floats, inRounds } from "../../../ranks/index.ts"
import { adapterFolder } from "../../contract/adapter-folder.ts"
import type { Runner } from "../../contract/index.ts"
import { plannedBatches } from "../../rows/batches.ts"
import { onlyFile } from "../../rows/predictions.ts"
import type { ResolvedLanguagePlan } from "../kind.ts"
import { languageRunner, loadLanguage, longest } from "../run.ts"
import { preferenceLoss } from "./loss.ts"
import {
  keepBeginning,
  type PairBatch,
  type PairsModel,
  pairSums,
  pairsModel,
  type References,
  referencesOf,
  writingModel
} from "./pairs-model.ts"
import { scoresOf } from "./scores.ts"

export type ResolvedPreferencePlan = ResolvedLanguagePlan<PreferencePlan, OpenedPreferences>

/** Whether a loss needs reference log-probabilities, and whether it trains on prompts. */
const facts = {
  dpo: { reference: true, prompts: false },
  orpo: { reference: false, prompts: true }
} as const satisfies Readonly<Record<PreferenceLoss["kind"], object>>

const NONE = new Float32Array(0)

/** Adds reference log-probabilities to a batch, computed by this rank or `together` with the others. */
const completed = (
  model: PairsModel,
  plan: PreferencePlan,
  split: PreferenceSplit,
  padMultiple: number,
  by: keyof References
) => {
  const maxLength = longest(plan, model)
  const references = referencesOf(model, split, { padMultiple, maxLength })
  return <Batch extends PairRows>(batch: Batch) =>
    facts[plan.loss.kind].reference
      ? Effect.map(references[by](batch), (reference) => ({ ...batch, reference }))
      : Effect.succeed(batch)
}

const open = ({ tokenizer }: Pick<PairsModel, "tokenizer">, { data, seed }: PreferencePlan, file?: string) =>
  Effect.map(openPreferences(onlyFile(data, file), seed, tokenizer), ({ splits }) => splits)

export const runPreference: Runner<PreferencePlan, ResolvedPreferencePlan, PairsModel, PreferenceSplit> = {
  ...languageRunner(chosenOf),
  loss: (_, { plan }) => preferenceLoss(plan.loss),
  load: (resolved) => Effect.map(loadLanguage(resolved), pairsModel),
  batches: (model, { plan, data: { splits } }, start) =>
    plannedBatches(plan, longest(plan, model), start, (options) =>
      pairTrainingBatches(splits.train, model.tokenizer, { ...options, prompts: facts[plan.loss.kind].prompts }).pipe(
        Stream.mapEffect(completed(model, plan, splits.train, options.padMultiple, "together"))
      )
    ),
  splits: ({ model }, plan, file) => open(model, plan, file),
  evaluate: (adapted, plan, source, { rows, done, scored }) =>
    Effect.gen(function* () {
      const { padMultiple } = yield* Device
      const { model } = adapted
      const scores = scoresOf(plan.loss)
      const batches = pairEvaluationBatches(source, model.tokenizer, {
        batchSize: plan.training.evaluateBatchSize,
        maxLength: longest(plan, model),
        prompts: facts[plan.loss.kind].prompts,
        padMultiple,
        rows
      })
      const complete = completed(model, plan, source, padMultiple, "of")
      const compute = (batch: PairRows) =>
        Effect.gen(function* () {
          const withReference: PairBatch = yield* complete(batch)
          return [withReference.reference ?? NONE, yield* pairSums(adapted, withReference)] as const
        })
      yield* batches.pipe(
        inRounds({
          compute,
          as: both(floats, floats),
          use: (batch, [reference, sums]) => {
            const withReference = reference.length === 0 ? batch : { ...batch, reference }
            return done(scores.add(withReference, sums.subarray(0, batch.size), sums.subarray(batch.size)))
          }
        })
      )
      scored?.(scores.ofRows())
      return scores.read()
    }),
  generation: {
    writing: ({ adapted, plan }) => ({
      adapted: writingModel(adapted),
      plan,
      chat: plan.data.form !== "text",
      system: plan.data.system
    }),
    splits: ({ adapted: { model } }, plan, file) =>
      Effect.map(open(model, plan, file), (splits) => mapSplits(splits, chosenOf))
  },
  begin: (adapted, source) => Effect.tap(adapterFolder.begin(adapted, source), () => keepBeginning(adapted)),
  asksBeginning: ({ loss }) => facts[loss.kind].reference
}
