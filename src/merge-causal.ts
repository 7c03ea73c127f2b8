/** A run of a causal language model merged: a Hugging Face folder, from a folder or a .gguf file. */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import { type Adapted, injectSelected } from "../adapters/index.ts"
import type { CausalPlan } from "../schemas/index.ts"
import { type CausalEvaluationBatch, causalEvaluationBatches } from "./data/causal/index.ts"
import { Device } from "./device/index.ts"
import { IGNORED } from "./kernels/cross-entropy.ts"
import type { LoadedRun } from "./load-run.ts"
import { type CausalModel, logitsOf, openCausalModel, openSource } from "./models/causal/index.ts"
import { baseIdentity, type MergeCheck } from "./output/index.ts"
import { writeMergedCausal } from "./output/merged-causal.ts"
import { mergedCausalCard } from "./output/merged-causal-card.ts"
import { readBaseCard } from "./output/model-card/base-card.ts"
import { causalLanguage } from "./tasks/causal-language.ts"
import { readTensor } from "./tensors/read.ts"
import type { WrittenModel } from "./written-model.ts"

/** Rows that the two models are compared on: a row of logits is as long as the vocabulary, and a row of text may be long. */
const CHECKED_TEXTS = 16

type AdaptedCausal = Adapted<CausalModel>

/** Writes the merged model of a run into `folder`. */
export const writeMergedCausalRun = (run: LoadedRun, directory: string, folder: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const device = yield* Device
    const plan = run.plan as CausalPlan // the caller asked
    const adapted = run.adapted as unknown as AdaptedCausal // the model of such a plan
    const { model } = adapted
    device.label("the unmerged model")
    const { logits: unmerged, split } = yield* checkedLogits(adapted, plan)
    const counts = yield* writeMergedCausal(adapted, yield* openSource(model.source), folder)
    yield* device.sync
    const home = model.source.endsWith(".gguf") ? path.dirname(model.source) : model.source
    const card = {
      name: path.basename(path.resolve(directory)),
      adapted: { method: adapted.method, sites: adapted.sites, pairs: scalesOf(adapted) },
      model,
      weights: plan.model.weights,
      chat: plan.data.format === "chat",
      base: yield* baseIdentity(model.source),
      license: (yield* readBaseCard(path.join(home, "README.md"))).license,
      steps: run.steps,
      counts
    }
    device.label("the merged model")
    const written: WrittenModel = {
      classes: model.vocabularySize,
      split,
      unmerged,
      merged: Effect.gen(function* () {
        const merged = yield* openCausalModel(folder)
        const alone = yield* injectSelected(merged, null, { sites: [], parameters: [] }, 0)
        return (yield* checkedLogits(alone, plan)).logits
      }),
      counts,
      readme: (check) => mergedCausalCard({ ...card, check })
    }
    return written
  })

/** Rank and s of each pair: the tensors leave with the run. */
const scalesOf = ({ trainable }: AdaptedCausal) =>
  trainable.pairs.map(({ A, scale, start }) => ({ rank: A.shape[0], scale, subtracted: start !== undefined }))

/**
 * Logits [rows, vocabulary] of what should follow the last token before the end, which has seen all that stands before it: of rows that
 * were not trained on where there are any.
 */
const checkedLogits = (adapted: AdaptedCausal, plan: CausalPlan) =>
  Effect.gen(function* () {
    const device = yield* Device
    const { tokenizer, maxLength } = adapted.model
    const splits = yield* causalLanguage.splits(adapted, plan)
    const split: MergeCheck["split"] = (["validation", "test", "train"] as const).find((name) => splits[name])!
    const batchSize = Math.min(plan.training.evaluateBatchSize, CHECKED_TEXTS)
    const parts = yield* causalEvaluationBatches(splits[split]!, tokenizer, {
      batchSize,
      packing: false,
      maxLength: Math.min(plan.data.maxLength, maxLength),
      padMultiple: device.padMultiple,
      rows: CHECKED_TEXTS
    }).pipe(
      // a long text is several rows
      Stream.take(Math.ceil(CHECKED_TEXTS / batchSize)),
      Stream.mapEffect((batch) => lastLogits(adapted, batch)),
      Stream.runCollect
    )
    yield* device.sync
    const logits = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
    let at = 0
    for (const part of parts) {
      logits.set(part, at)
      at += part.length
    }
    return { logits, split }
  }).pipe(Effect.scoped)

/** [size, vocabulary]: behind the last token of each row whose successor counts. */
const lastLogits = (adapted: AdaptedCausal, batch: CausalEvaluationBatch) =>
  Effect.acquireUseRelease(
    Effect.sync(() =>
      tf.tidy(() => {
        const { input } = adapted.model.feed(batch)
        const output = adapted.forward(input, adapted.trainable)
        return logitsOf(tf.gather(output.hidden, tf.tensor1d(lastCounted(batch), "int32")), output)
      })
    ),
    (logits) => Effect.map(readTensor(logits, "logits of the merge check"), (data) => data as Float32Array),
    (logits) => Effect.sync(() => logits.dispose())
  )

const lastCounted = ({ size, length, labels }: CausalEvaluationBatch): Int32Array =>
  Int32Array.from({ length: size }, (_, row) => {
    let last = (row + 1) * length - 1
    while (last > row * length && labels[last] === IGNORED) last--
    return last
  })
