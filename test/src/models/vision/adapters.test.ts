/** PEFT's adapters of models of images, in and out: under the names of today's modules, and under those of before. */
import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { inject, lora } from "../../../../adapters/index.ts"
import { restoreAdapter, saveTensors } from "../../../../src/output/index.ts"
import { startFrom } from "../../../../src/output/peft/start-from.ts"
import { readPeftAdapter } from "../../../../src/peft/index.ts"
import { readTensors } from "../../../../src/safetensors/index.ts"
import { describeOn } from "../../../backends.ts"
import { expectClose, tolerance } from "../../../setup.ts"
import { folderOf, valuesOf } from "../causal/causal-golden.ts"
import { readGolden, runScoped } from "../golden.ts"
import { imagesOf, openImages } from "./image-golden.ts"

const root = mkdtempSync(join(tmpdir(), "tfjs-lora-pro-"))
afterAll(() => rmSync(root, { recursive: true }))

const fresh = (targets: ReadonlyArray<string>) =>
  ({ rank: 4, alpha: 8, scaling: "standard", init: { kind: "kaiming" }, targets }) as const

const targetsOf = (section: Readonly<Record<string, unknown>>) => section["targets"] as ReadonlyArray<string>

describeOn("wasm", () => {
  for (const adapter of ["adapter", "adapter-legacy-names"]) {
    test(`vit/${adapter}: its layers, and PEFT's logits from it and from what is written of it`, () =>
      runScoped(
        Effect.gen(function* () {
          const [io, expected] = yield* Effect.promise(() =>
            Promise.all(["io", "adapter_io"].map((own) => readGolden(`models/vit/${own}.safetensors`)))
          )
          const source = yield* readPeftAdapter(join(folderOf("vit"), adapter))
          const layers = [0, 1].flatMap((i) => ["q_proj", "v_proj"].map((own) => `layers.${i}.attention.${own}`))
          expect(targetsOf(source.section).toSorted()).toEqual(layers)
          const model = yield* openImages("vit")
          const { input } = model.toDevice(imagesOf(io!))
          const adapted = yield* inject(model, lora, fresh(targetsOf(source.section)))
          expect(yield* startFrom(adapted, source)).toEqual({ left: [], head: false })
          const logits = () => valuesOf(adapted.forward(input, adapted.trainable) as tf.Tensor)
          expectClose(yield* logits(), expected!.get("logits")!.data, tolerance.forward)

          const written = join(root, adapter)
          yield* saveTensors(adapted, written)
          const tensors = yield* readTensors(join(written, "adapter_model.safetensors"))
          const own = yield* Effect.promise(() => readGolden("models/vit/adapter/adapter_model.safetensors"))
          const ofHead = ["bias", "weight"].map((part) => `base_model.model.classifier.${part}`)
          expect([...tensors.keys()].toSorted()).toEqual([...ofHead, ...own.keys()].toSorted())
          for (const [name, { data }] of own) expect(tensors.get(name)!.data).toEqual(data)
          const again = yield* inject(model, lora, fresh(layers))
          yield* restoreAdapter(again, written)
          const restored = again.forward(input, again.trainable) as tf.Tensor
          expect(yield* valuesOf(restored)).toEqual(yield* logits())
        })
      ))
  }
})
