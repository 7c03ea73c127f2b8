/**
 * A method that this package does not have, written as a user would: a schema, a value of the contract, no table. It imports what the
 * package exports and nothing else, and everything that a method of the table goes through takes it.
 *
 * Row scaling: W′ = diag(l) W, l trained (the linear case of (IA)³, Liu et al. 2022, arXiv 2205.05638).
 */
import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { adamw, Dataset, inject, Output, platform, Training } from "tfjs-lora-pro"
import { type AdapterMethod, dequantized } from "tfjs-lora-pro/adapters"
import { toyModel, toyTokens } from "./toy-model.ts"

const RowScaling = Schema.Struct({
  method: Schema.Literal("row-scaling"),
  start: Schema.Finite.check(Schema.isGreaterThan(0))
})

const rowScaling: AdapterMethod<Pick<typeof RowScaling.Type, "start">> = {
  tag: "row-scaling",
  label: "row scaling",
  paper: null,
  theorem: { holds: false, because: "which has no factors" },
  factors: { holds: false, because: "which has no factors" },
  trains: "parts",
  problem: ({ name, out }) => (out < 2 ? `${name} has a single row` : undefined),
  size: ({ out }) => ({ factors: 0, dense: out, frozen: 0, state: 0 }),
  keepsOutputs: false,
  columns: () => ({}),
  shared: null,
  calibration: null,
  initRanks: null,
  dropout: null,
  trainsBias: false,
  penalty: null,
  allocation: null,
  sum: { by: null, because: "whose scales nobody sums" },
  peft: { layout: null, because: "PEFT has no such method" },
  compared: {},
  init: (site, { start }) =>
    Effect.sync(() => ({
      pairs: [],
      dense: [{ name: `${site.name}.scale`, role: "body", value: tf.fill([site.out], start) }]
    })),
  forward: ({ part: { dense } }, x, { W, bias }) => {
    const y = tf.mul<tf.Tensor2D>(tf.matMul(x, dequantized(W), false, true), dense[0]!.value)
    return bias === null ? y : tf.add(y, bias)
  },
  merge: ({ part: { dense } }, { W }) => tf.tidy(() => tf.mul(dequantized(W), tf.expandDims(dense[0]!.value, 1)))
}

const read = (tensor: tf.Tensor) => Effect.promise(() => tensor.data())

const folder = mkdtempSync(join(tmpdir(), "outside-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test("a method from outside is injected, trained, merged, saved and restored", async () => {
  await tf.setBackend("cpu")
  const toy = toyModel()
  // names of files are a family's affair
  const model = { ...toy.model, family: "bert" }
  await Effect.gen(function* () {
    const { start } = yield* Schema.decodeUnknownEffect(RowScaling)({ method: "row-scaling", start: 1 })
    const adapted = yield* inject(model, rowScaling, { start, targets: ["dense"] })
    expect(adapted.sites.map(({ name }) => name)).toEqual(["block.0.dense", "block.1.dense"])
    const session = yield* Training.openSession(adapted, {
      optimizer: adamw({ learningRate: 0.05 }),
      loss: Training.crossEntropy
    })
    const rows = (ids: ReadonlyArray<number>, label: number) => ({ ids, label, typeIds: ids.map(() => 0) })
    const batch = Dataset.padBatch([rows([1, 2, 3], 0), rows([4, 5], 1), rows([6, 7, 8], 2)], {
      padId: 0,
      maxLength: 4,
      padMultiple: 1
    })
    const first = yield* Training.takeStep(session, [batch])
    for (let i = 0; i < 20; i++) yield* Training.takeStep(session, [batch])
    const last = yield* Training.takeStep(session, [batch])
    expect(last.loss).toBeLessThan(first.loss / 2)
    const logits = yield* read(adapted.forward(toyTokens(), adapted.trainable))

    yield* Output.saveTensors(adapted, folder)
    const again = yield* inject(model, rowScaling, { start: 3, targets: ["dense"] })
    expect(yield* read(again.forward(toyTokens(), again.trainable))).not.toEqual(logits)
    yield* Output.restoreAdapter(again, folder)
    expect(yield* read(again.forward(toyTokens(), again.trainable))).toEqual(logits)
  }).pipe(Effect.scoped, Effect.provide(platform), Effect.runPromise)
  toy.dispose()
})
