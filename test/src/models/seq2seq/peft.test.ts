/** Adapters of PEFT over an encoder-decoder, in and out: names and numbers as PEFT writes them. */
import { expect, test } from "bun:test"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { type AdapterMethod, inject, type LoraOptions, lora } from "../../../../adapters/index.ts"
import { logitsOf } from "../../../../src/models/causal/index.ts"
import type { Seq2SeqModel } from "../../../../src/models/seq2seq/index.ts"
import { savePeft, saveTensors } from "../../../../src/output/adapter-folder.ts"
import { startFrom } from "../../../../src/output/peft/start-from.ts"
import { readPeftAdapter } from "../../../../src/peft/index.ts"
import { readTensors } from "../../../../src/safetensors/index.ts"
import { describeOn } from "../../../backends.ts"
import { expectClose, tolerance } from "../../../setup.ts"
import { folderOf, valuesOf } from "../causal/causal-golden.ts"
import { readGolden, runScoped } from "../golden.ts"
import { openGolden, rowsOf } from "./seq2seq-golden.ts"

const temporary = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "seq2seq-"))),
  (made) => Effect.promise(() => rm(made, { recursive: true }))
)

describeOn("wasm", () => {
  test("an adapter of PEFT is read as a section of a plan, computes what it computes in PEFT, and is written as it was", () =>
    runScoped(
      Effect.gen(function* () {
        const folder = join(folderOf("mt5"), "adapter")
        const source = yield* readPeftAdapter(folder)
        const model = yield* openGolden(folderOf("mt5"))
        // "all-linear" of PEFT: every linear layer of the blocks, and not the output layer
        expect(new Set(source.section["targets"] as ReadonlyArray<string>)).toEqual(
          new Set(model.sites.map(({ name }) => name))
        )
        const adapted = yield* inject<LoraOptions, Seq2SeqModel>(model, lora as AdapterMethod<LoraOptions>, {
          rank: source.config.sizes!.rank,
          alpha: source.config.sizes!.alpha,
          scaling: "standard",
          init: { kind: "kaiming" },
          targets: "all-linear"
        })
        yield* startFrom(adapted, source)
        const [io, expected] = yield* Effect.promise(() =>
          Promise.all(["io", "adapter_io"].map((name) => readGolden(`models/mt5/${name}.safetensors`)))
        )
        const output = adapted.forward(model.toDevice(rowsOf(io!)).input, adapted.trainable)
        expectClose(yield* valuesOf(logitsOf(output.hidden, output)), expected!.get("logits")!.data, tolerance.forward)

        const out = yield* Effect.acquireRelease(
          Effect.promise(() => mkdtemp(join(tmpdir(), "mt5-"))),
          (made) => Effect.promise(() => rm(made, { recursive: true }))
        )
        yield* saveTensors(adapted, out)
        const [written, given] = yield* Effect.forEach([out, folder], (each) =>
          readTensors(join(each, "adapter_model.safetensors"))
        )
        expect(new Map([...written!].sort())).toEqual(new Map([...given!].sort()))
      })
    ))

  test("a trained embedding is written for each module that shares it, and read once", () =>
    runScoped(
      Effect.gen(function* () {
        const model = yield* openGolden(folderOf("t5"))
        const options = { rank: 2, alpha: 4, scaling: "standard", init: { kind: "kaiming" } } as const
        const given = { ...options, targets: ["q"], modulesToSave: ["shared"] }
        const adapted = yield* inject<LoraOptions, Seq2SeqModel>(model, lora as AdapterMethod<LoraOptions>, given)
        const [embedding] = adapted.trainable.dense
        const trained = tf.mul(embedding!.value, 1.5)
        embedding!.value.dispose()
        adapted.trainable = { ...adapted.trainable, dense: [{ ...embedding!, value: trained }] }
        const out = yield* temporary
        yield* savePeft(adapted, out, { base: "t5" })
        const config = JSON.parse(yield* Effect.promise(() => readFile(join(out, "adapter_config.json"), "utf8")))
        expect(config).toMatchObject({ peft_type: "LORA", base_model_name_or_path: "t5", r: 2, lora_alpha: 4 })
        const modules = ["shared", "encoder.embed_tokens", "decoder.embed_tokens", "lm_head"]
        expect(config["modules_to_save"]).toEqual(modules)
        const written = yield* readTensors(join(out, "adapter_model.safetensors"))
        const [shared, ...copies] = modules.map((module) => written.get(`base_model.model.${module}.weight`))
        for (const copy of copies) expect(copy).toEqual(shared!)
        const source = yield* readPeftAdapter(out)
        expect(source.section["modulesToSave"]).toEqual(["shared"])
        const again = yield* inject<LoraOptions, Seq2SeqModel>(model, lora as AdapterMethod<LoraOptions>, given)
        yield* startFrom(again, source)
        expect(yield* valuesOf(again.trainable.dense[0]!.value)).toEqual(yield* valuesOf(trained))
      })
    ))
})
