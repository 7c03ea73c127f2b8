/** Starts that look at training data: training sees the same batches afterwards, and a run that was cut short before it had a checkpoint starts as before. */
import { beforeAll, expect, test } from "bun:test"
import { existsSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ClassificationPlan } from "../../schemas/index.ts"
import { trainingBatches } from "../../src/data/index.ts"
import { Device } from "../../src/device/index.ts"
import { runClassification } from "../../src/kinds/encoder/classification/run.ts"
import { resolve } from "../../src/kinds/index.ts"
import { injectPlan, readPlan } from "../../src/plan/index.ts"
import { platform } from "../../src/platform.ts"
import { adaptPlan } from "../../src/run/index.ts"
import type { Trainable } from "../../src/tensors/trainable.ts"
import { calibrating, crossEntropy } from "../../src/training/index.ts"
import { TIMEOUT, workspace } from "./fixtures.ts"
import { busyPlan, metricsOf, resultsOf } from "./runs.ts"
import { complete, trainHere } from "./train-here.ts"

const w = workspace()
const STEPS = 3
const kinds = ["lora-ga", "eva"] as const
const planOf = (init: object) => busyPlan("bert", STEPS, { adapter: { method: "lora", rank: 4, alpha: 8, init } })

beforeAll(async () => {
  w.model("bert")
  w.write("plain.json", planOf({ kind: "kaiming" }))
  for (const kind of kinds) w.write(`${kind}.json`, planOf({ kind, batches: 5 }))
  await complete(w, "plain.json", "plain")
}, TIMEOUT)

for (const kind of kinds) {
  test(
    `${kind}: cut short while it looks, it leaves no folder; before the first checkpoint, it starts anew`,
    async () => {
      const looks = `calibrating adapter.init "${kind}" on 5 training batches`
      const early = await trainHere(w, `${kind}.json`, {
        directory: `${kind}-early/${kind}`,
        until: (event) => event.kind === "notice" && event.message === looks
      })
      expect(early.exit._tag).toBe("Failure")
      expect(early.notices).toEqual([looks, "interrupted before training began"])
      expect(existsSync(w.path(`${kind}-early/${kind}`))).toBe(false)

      const whole = await trainHere(w, `${kind}.json`, { directory: `${kind}-whole/${kind}` })
      expect(whole.notices[0]).toBe(looks)
      const cut = `${kind}-cut/${kind}`
      await trainHere(w, `${kind}.json`, { directory: cut, until: (event) => event.kind === "evaluating" })
      const { notices } = await trainHere(w, `${kind}.json`, { resume: cut })
      expect(notices).toContain(looks)
      expect(resultsOf(w, cut)).toEqual(resultsOf(w, `${kind}-whole/${kind}`))

      // every start computes what the base computes, so the first step has the loss of any other start over the same batch
      const first = (run: string) =>
        metricsOf(w, run).find((row) => row["kind"] === "step") as { readonly loss: number }
      expect(first(cut).loss).toBeCloseTo(first("plain").loss, 5)
    },
    TIMEOUT
  )
}

test(
  "the batches that are looked at are the first that training sees",
  () =>
    Effect.gen(function* () {
      const { plan, name } = yield* readPlan(w.path("lora-ga.json"))
      const resolved = yield* resolve(plan as ClassificationPlan, name)
      const model = yield* runClassification.load(resolved)
      const started = yield* adaptPlan(runClassification, model, resolved)
      const batches = yield* trainingBatches(resolved.data.splits.train, model.tokenizer, {
        seed: plan.seed,
        batchSize: plan.training.batchSize,
        bucketPool: resolved.plan.data.bucketPool,
        maxLength: resolved.plan.data.maxLength
      }).pipe(Stream.take(5), Stream.runCollect)
      const calibrate = yield* calibrating(model, { batches, loss: crossEntropy })
      const own = yield* injectPlan(model, resolved, calibrate)
      const read = ({ pairs }: Trainable) =>
        Effect.forEach(pairs, ({ A, B }) => Effect.promise(() => Promise.all([A.data(), B.data()])))
      expect(yield* read(started.trainable)).toEqual(yield* read(own.trainable))
    }).pipe(
      Effect.scoped,
      Effect.provide(Device.layer("wasm", { threads: 1 })),
      Effect.provide(platform),
      Effect.runPromise
    ),
  TIMEOUT
)
