/**
 * VeRA against PEFT's on a tiny Llama (test/golden/make/vera.py): the shared matrices bit for bit, its files in and out, logits, loss,
 * every gradient, merged weights. Laws of every method: test/laws/adapter.laws.test.ts.
 */
import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { adapterSize, inject, select, vera } from "../../adapters/index.ts"
import { restoreAdapter, saveTensors } from "../../src/output/index.ts"
import { readTensors } from "../../src/safetensors/index.ts"
import { valueAndGradients } from "../../src/tensors/gradients.ts"
import { tensorsOf } from "../../src/tensors/trainable.ts"
import { describeOnEach } from "../backends.ts"
import { expectClose, tolerance } from "../setup.ts"
import {
  atTokens,
  folderOf,
  logitsAt,
  lossOf,
  openGolden,
  rowsOf,
  valuesOf
} from "../src/models/causal/causal-golden.ts"
import { readGolden, runScoped as run } from "../src/models/golden.ts"
import { temporaryFolders } from "../src/output/toy-session.ts"

const temporary = temporaryFolders()
const folder = join(folderOf("llama"), "adapter-vera")
const config = JSON.parse(readFileSync(join(folder, "adapter_config.json"), "utf8"))
const options = { rank: config.r, dInitial: config.d_initial, projectionKey: config.projection_prng_key }
const targets: ReadonlyArray<string> = config.target_modules.map((name: string) => name.replace(/^model\./, ""))
const golden = readGolden("models/llama/adapter_io-vera.safetensors")
const file = readGolden("models/llama/adapter-vera/adapter_model.safetensors")

const adapted = Effect.gen(function* () {
  return yield* inject(yield* openGolden("llama"), vera, { ...options, targets })
})

describeOnEach(() => {
  test("A and B are PEFT's of the same key, bit for bit, and start as PEFT's do", () =>
    run(
      Effect.gen(function* () {
        const { trainable } = yield* adapted
        const found = yield* Effect.promise(() => file)
        for (const [i, name] of ["vera_A", "vera_B"].entries()) {
          const expected = found.get(`base_model.${name}`)!
          const shared = trainable.shared![i]!
          expect(shared.shape).toEqual([...expected.shape])
          expect(yield* valuesOf(shared)).toEqual(Float32Array.from(expected.data))
        }
        for (const { name, value } of trainable.dense) {
          const start = name.endsWith("lambda_d") ? Math.fround(config.d_initial) : 0
          expect(yield* valuesOf(value)).toEqual(new Float32Array(value.size).fill(start))
        }
      })
    ))

  test("PEFT's folder: logits, loss, every gradient and merged weights are PEFT's", () =>
    run(
      Effect.gen(function* () {
        const own = yield* adapted
        const { model } = own
        yield* restoreAdapter(own, folder)
        const [expected, io] = yield* Effect.promise(() =>
          Promise.all([golden, readGolden("models/llama/io.safetensors")])
        )
        const rows = rowsOf(io)
        const { input, target } = model.toDevice(rows)
        const output = own.forward(input, own.trainable)
        expectClose(
          yield* Effect.promise(() => logitsAt(output, rows)),
          atTokens(expected.get("logits")!.data, rows),
          tolerance.forward
        )
        const { value, gradients } = valueAndGradients(
          () => lossOf(own.forward(input, own.trainable), target),
          tensorsOf(own.trainable)
        )
        expectClose(yield* valuesOf(value), expected.get("loss")!.data, tolerance.forward)
        const grads = [...expected.keys()].filter((key) => key.startsWith("grad."))
        expect(grads).toHaveLength(own.trainable.dense.length)
        for (const [i, { name }] of own.trainable.dense.entries()) {
          const key = `grad.base_model.model.model.${name}`
          expectClose(yield* valuesOf(gradients[i]!), expected.get(key)!.data, tolerance.gradient)
        }
        const merged = [...expected.keys()].filter((key) => key.startsWith("merged."))
        expect(merged).toHaveLength(3)
        for (const key of merged) {
          const site = own.sites.find(({ name }) => key === `merged.model.${name}.weight`)!
          expectClose(yield* valuesOf(own.merged(site, own.trainable)), expected.get(key)!.data, tolerance.forward)
        }
      })
    ))
})

test("the file that is written has PEFT's tensors, names and numbers", () =>
  run(
    Effect.gen(function* () {
      const own = yield* adapted
      yield* restoreAdapter(own, folder)
      const again = temporary()
      yield* saveTensors(own, again)
      const written = yield* readTensors(join(again, "adapter_model.safetensors"))
      const expected = yield* Effect.promise(() => file)
      expect([...written.keys()].sort()).toEqual([...expected.keys()].sort())
      for (const [name, { shape, data }] of expected) {
        expect(written.get(name)!.shape).toEqual([...shape])
        expect(Float32Array.from(written.get(name)!.data)).toEqual(Float32Array.from(data))
      }
    })
  ))

test("adapter_config.json has the words of PEFT's", () =>
  run(
    Effect.gen(function* () {
      const { sites } = yield* adapted
      const written = vera.peft.layout!.config({
        options,
        sites: sites.map((site) => ({ site, options })),
        steps: 1,
        module: (site) => site,
        stored: () => ({})
      })
      for (const [key, value] of Object.entries(written)) expect([key, config[key]]).toEqual([key, value])
      expect(written).toMatchObject({ peft_type: "VERA", r: 6, save_projection: true })
    })
  ))

test("its numbers: two vectors a site, and the shared matrices once", () =>
  run(
    Effect.gen(function* () {
      const { model, sites, trainable } = yield* adapted
      const selected = yield* Effect.fromResult(select(model, vera, options, { targets }))
      const size = adapterSize(vera, selected.sites)
      expect(size.dense).toBe(sites.reduce((sum, { out }) => sum + 6 + out, 0))
      expect(size.dense).toBe(trainable.dense.reduce((sum, { value }) => sum + value.size, 0))
      expect(size.frozen).toBe(trainable.shared!.reduce((sum, tensor) => sum + tensor.size, 0))
    })
  ))
