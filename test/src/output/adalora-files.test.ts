/** AdaLoRA's files: the triplets that are left and which they were; and back, where they compute the same. */
import { expect, test } from "bun:test"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { type AdaloraOptions, type Adapted, adalora, inject } from "../../../adapters/index.ts"
import { gaussian, randomStream } from "../../../src/numbers/random.ts"
import { AdapterError, restoreAdapter, saveTensors } from "../../../src/output/index.ts"
import { type HostTensor, readTensors, writeSafetensors } from "../../../src/safetensors/index.ts"
import { mapTensors, tensorsOf } from "../../../src/tensors/trainable.ts"
import { toyModel, toyTokens } from "../../adapters/toy-model.ts"
import { expectClose, tolerance } from "../../setup.ts"
import { temporaryFolders, withFiles } from "./toy-session.ts"

const options: AdaloraOptions = {
  rank: 2,
  initialRank: 4,
  alpha: 6,
  budget: { start: 0.1, end: 0.7, every: 10 },
  sensitivityBetas: [0.8, 0.9],
  orthogonality: 0.25
}

/** λ of each site after training: all but two given up, none given up, all given up. */
const trained: Readonly<Record<string, ReadonlyArray<number>>> = {
  "block.0.dense": [0, -0.5, 0, 0.25],
  "block.1.dense": [0.1, 0.2, 0.3, 0.4],
  "last.wide": [0, 0, 0, 0]
}

const file = "adapter_model.safetensors"
const folders = temporaryFolders()

const adapted = Effect.gen(function* () {
  const { model } = yield* Effect.acquireRelease(Effect.sync(toyModel), ({ dispose }) => Effect.sync(dispose))
  // names in files depend on the family
  return yield* inject({ ...model, family: "bert" }, adalora, { ...options, targets: "all-linear" })
})

/** Every tensor has moved, and λ are those of `trained`. */
const train = (own: Adapted) => {
  const random = randomStream(1, "adalora files")
  const before = own.trainable
  const moved = mapTensors((tensor) => {
    const values = Float32Array.from({ length: tensor.size }, () => gaussian(random))
    return tf.tensor(values, tensor.shape)
  }, before)
  own.trainable = {
    pairs: moved.pairs,
    dense: moved.dense.map((parameter) => {
      const values = trained[parameter.name.replace(".lambda", "")]
      return values === undefined ? parameter : { ...parameter, value: tf.tensor1d([...values]) }
    })
  }
  tf.dispose([...tensorsOf(before)])
}

const logits = (own: Adapted) => Effect.promise(() => own.forward(toyTokens(), own.trainable).data())

test("a file holds the triplets that are left; restored, they compute the same", () =>
  withFiles(
    Effect.gen(function* () {
      const [own, again, folder] = [yield* adapted, yield* adapted, folders()]
      train(own)
      yield* saveTensors(own, folder)
      const found = yield* readTensors(join(folder, file))
      const shapes = (site: string) =>
        ["A", "B", "E"].map((factor) => found.get(`base_model.model.${site}.lora_${factor}`)!.shape)
      expect(shapes("block.0.dense")).toEqual([
        [2, 8],
        [8, 2],
        [2, 1]
      ])
      expect(shapes("block.1.dense")).toEqual([
        [4, 8],
        [8, 4],
        [4, 1]
      ])
      expect(shapes("last.wide")).toEqual([
        [0, 8],
        [12, 0],
        [0, 1]
      ])
      expect([...found.get("base_model.model.block.0.dense.lora_E")!.data]).toEqual([-0.5, 0.25])

      // the rows and columns of the triplets that are left
      const [A, B] = [own.trainable.pairs[0]!.A, own.trainable.pairs[0]!.B]
      const [rows, columns] = [tf.gather(A, [1, 3]), tf.gather(B, [1, 3], 1)]
      expect(found.get("base_model.model.block.0.dense.lora_A")!.data).toEqual((yield* read(rows)) as Float32Array)
      expect(found.get("base_model.model.block.0.dense.lora_B")!.data).toEqual((yield* read(columns)) as Float32Array)

      yield* restoreAdapter(again, folder)
      expectClose(yield* logits(again), yield* logits(own), tolerance.operation)
      expect(tensorsOf(again.trainable).map(({ shape }) => shape)).toEqual(
        tensorsOf(own.trainable).map(({ shape }) => shape)
      )
    })
  ))

const read = (tensor: tf.Tensor) => Effect.promise(() => tensor.data())

test("the configuration says which triplets they were, and when ranks were given up", () =>
  withFiles(
    Effect.gen(function* () {
      const own = yield* adapted
      const stored = (site: string): Readonly<Record<string, HostTensor>> => ({
        lora_E: { shape: [4, 1], data: Float32Array.from(trained[site]!) }
      })
      const config = adalora.peft.layout!.config({
        options,
        sites: own.sites.map((site) => ({ site, options })),
        steps: 50,
        module: (site) => `class.${site}`,
        stored
      })
      expect(config).toEqual({
        peft_type: "ADALORA",
        init_r: 4,
        target_r: 2,
        lora_alpha: 6,
        tinit: 5,
        tfinal: 15,
        deltaT: 10,
        beta1: 0.8,
        beta2: 0.9,
        orth_reg_weight: 0.25,
        total_step: 50,
        rank_pattern: {
          "class.block.0.dense.lora_E": [false, true, false, true],
          "class.block.1.dense.lora_E": [true, true, true, true],
          "class.last.wide.lora_E": [false, false, false, false]
        },
        lora_dropout: 0,
        bias: "none",
        fan_in_fan_out: false,
        init_lora_weights: true
      })
    })
  ))

test("triplets that do not fit are told, with the shapes of a site whose ranks all stayed", () =>
  withFiles(
    Effect.gen(function* () {
      const [own, folder] = [yield* adapted, folders()]
      train(own)
      yield* saveTensors(own, folder)
      const name = (factor: string, site = "block.0.dense") => `base_model.model.${site}.lora_${factor}`
      const content = new Map(yield* readTensors(join(folder, file)))
      const zeros = (...shape: ReadonlyArray<number>) => ({
        shape,
        data: new Float32Array(shape.reduce((size, n) => size * n, 1))
      })
      content.set(name("A"), zeros(3, 8)) // 3 rows, 2 columns
      content.set(name("B", "block.1.dense"), zeros(9, 4)) // another width
      content.delete(name("E", "block.1.dense"))
      yield* writeSafetensors(join(folder, file), Object.fromEntries(content))
      const error = yield* Effect.flip(restoreAdapter(own, folder))
      expect(error).toBeInstanceOf(AdapterError)
      const { problems } = error as AdapterError
      expect(problems).toContain(`${file}: ${name("A")} has shape [3,8], expected [4,8]`)
      expect(problems).toContain(`${file}: ${name("B", "block.1.dense")} has shape [9,4], expected [8,4]`)
      expect(problems).toContain(`${file}: ${name("E", "block.1.dense")} is missing`)
    })
  ))
