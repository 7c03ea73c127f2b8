/**
 * Merged models of images, and adapters, in transformers and PEFT: the class that loads the folder, and its logits. Where Python has neither,
 * nothing is compared (REQUIRE_PEFT=1 makes that a failure; PYTHON names the interpreter).
 */
import { expect, test } from "bun:test"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { inject, lora } from "../../../../adapters/index.ts"
import { saveTensors, writeMergedFolder } from "../../../../src/output/index.ts"
import { describeOn } from "../../../backends.ts"
import { hasPeft } from "../../../e2e/causal-python.ts"
import { run, succeed, workspace } from "../../../e2e/fixtures.ts"
import { expectClose } from "../../../setup.ts"
import { folderOf, jsonOf, valuesOf } from "../causal/causal-golden.ts"
import { readGolden, runScoped } from "../golden.ts"
import { imagesOf, openImages } from "./image-golden.ts"

/** Over the largest logit: float32 in another order of sums, and a merged weight's own rounding. */
const LOGITS = 1e-4

const w = workspace()
const there = await hasPeft(w)

interface Answer {
  readonly class: string
  readonly logits: ReadonlyArray<ReadonlyArray<number>>
  readonly strange: ReadonlyArray<string>
}

interface Case {
  readonly base: string
  readonly adapter?: string
  readonly pixels: string
  readonly expected: ReadonlyArray<number>
  readonly class: string
  /** beginnings of names that the base's file has for another head */
  readonly others: RegExp
}

const answersTo = async (cases: ReadonlyArray<Case>): Promise<ReadonlyArray<Answer>> => {
  const env = { HF_HUB_OFFLINE: "1", TRANSFORMERS_VERBOSITY: "error", OMP_NUM_THREADS: "1" }
  const python = process.env["PYTHON"] ?? "python3"
  const script = join(import.meta.dir, "image_logits.py")
  const finished = run([python, script], { cwd: w.directory, stdin: JSON.stringify(cases), env })
  return JSON.parse((await succeed(finished)).stdout.trimEnd().split("\n").at(-1)!)
}

const NONE = /^$/
const models = [
  { name: "vit", others: NONE },
  { name: "vision/vit-backbone", others: /^pooler\./ },
  {
    name: "clip",
    others: /^(text_model\.|text_projection|visual_projection|logit_scale|vision_model\.post_layernorm)/
  },
  { name: "vision/clip-classifier", others: NONE }
]

/** Factors that change every logit. */
const seen = (tensor: tf.Tensor): tf.Tensor => tensor.add(0.05)

describeOn("wasm", () => {
  test.skipIf(!there)(
    "merged folders load as the class that their config.json names, adapters over the base",
    () =>
      runScoped(
        Effect.gen(function* () {
          const cases: Array<Case> = []
          for (const { name, others } of models) {
            const model = yield* openImages(name, { head: "new", labels: ["bee", "ant"] })
            const targets = ["q_proj", "v_proj", "fc1"]
            const options = { rank: 2, alpha: 4, scaling: "standard", init: { kind: "kaiming" }, targets } as const
            const adapted = yield* inject(model, lora, options)
            const { pairs, dense } = adapted.trainable
            adapted.trainable = { dense, pairs: pairs.map((pair) => ({ ...pair, B: seen(pair.B) as tf.Tensor2D })) }
            const pixels = join(folderOf(name), "io.safetensors")
            const { input } = model.toDevice(
              imagesOf(yield* Effect.promise(() => readGolden(`models/${name}/io.safetensors`)))
            )
            const expected = Array.from(yield* valuesOf(adapted.forward(input, adapted.trainable) as tf.Tensor))

            const merged = w.path(`merged-${cases.length}`)
            mkdirSync(merged)
            yield* writeMergedFolder(adapted, merged, {
              config: {
                architectures: [model.imageFamily.className],
                id2label: { 0: "bee", 1: "ant" },
                label2id: { bee: 0, ant: 1 }
              }
            })
            const shared = { pixels, expected, class: model.imageFamily.className }
            cases.push({ ...shared, base: merged, others })

            // the merged folder has the head's shape; its adapted layers are the base's plus the adapter once more
            const adapter = w.path(`adapter-${cases.length}`)
            yield* saveTensors(adapted, adapter)
            const config = yield* Effect.promise(() => jsonOf("models/vit/adapter/adapter_config.json"))
            writeFileSync(
              join(adapter, "adapter_config.json"),
              JSON.stringify({
                ...config,
                auto_mapping: null,
                r: 2,
                lora_alpha: 4,
                target_modules: targets,
                modules_to_save: ["classifier"]
              })
            )
            // zeros merged are the base under a head of two classes
            adapted.trainable = { dense, pairs: pairs.map((pair) => ({ ...pair, B: pair.B.mul(0) as tf.Tensor2D })) }
            const base = w.path(`base-${cases.length}`)
            mkdirSync(base)
            yield* writeMergedFolder(adapted, base, {
              config: { id2label: { 0: "bee", 1: "ant" }, label2id: { bee: 0, ant: 1 } }
            })
            cases.push({ ...shared, base, adapter, others })
          }
          const answers = yield* Effect.promise(() => answersTo(cases))
          for (const [i, { expected, others, class: name }] of cases.entries()) {
            const { logits, strange, class: own } = answers[i]!
            expect(own).toBe(name)
            expect(strange.filter((key) => !others.test(key))).toEqual([])
            expectClose(logits.flat(), expected, LOGITS)
          }
        })
      ),
    120_000
  )
})
