/**
 * 50 LoRA steps of MiniLM in bfloat16: losses are as near to float32's as those of PyTorch, which `golden/make/precision.py` made under
 * autocast and with a base in bfloat16, on the same batches.
 */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { inject, lora } from "../../adapters/index.ts"
import type { Batch } from "../../src/data/index.ts"
import { nativeLibrary } from "../../src/device/native.ts"
import { bfloat16On, inBfloat16 } from "../../src/device/precision.ts"
import { Device, Models, platform } from "../../src/index.ts"
import { adamw } from "../../src/optimizers/index.ts"
import { crossEntropy, openSession, takeStep } from "../../src/training/index.ts"
import golden from "../golden/precision/losses.json"

const [STEPS, BATCH, LENGTH] = [50, 4, 32]

const batchOf = (step: number): Batch => ({
  size: BATCH,
  length: LENGTH,
  inputIds: Int32Array.from({ length: BATCH * LENGTH }, (_, i) => ((i + step * BATCH * LENGTH) * 37) % 9000),
  tokenTypeIds: new Int32Array(BATCH * LENGTH),
  attentionMask: new Float32Array(BATCH * LENGTH).fill(1),
  labels: Int32Array.from({ length: BATCH }, (_, i) => i % 2),
  tokens: BATCH * LENGTH
})

const losses = Effect.gen(function* () {
  const source = new URL("../../examples/models/minilm", import.meta.url).pathname
  const model = yield* Models.load({ source, task: "classification", labels: ["a", "b"], seed: 0 })
  const adapted = yield* inject(model, lora, {
    rank: 8,
    alpha: 16,
    scaling: "standard",
    init: { kind: "kaiming" },
    targets: "all-linear"
  })
  const session = yield* openSession(adapted, { optimizer: adamw({ learningRate: 1e-3 }), loss: crossEntropy })
  return yield* Effect.forEach(Array.from({ length: STEPS }).keys(), (step) =>
    Effect.map(takeStep(session, [batchOf(step)]), ({ loss }) => loss)
  )
}).pipe(Effect.scoped)

const largest = (found: ReadonlyArray<number>, expected: ReadonlyArray<number>) =>
  Math.max(...found.map((loss, i) => Math.abs(loss - expected[i]!)))

const instructions = await Effect.runPromise(bfloat16On({ native: nativeLibrary }))

test.skipIf(instructions.length === 0)("losses are no farther from float32's than PyTorch's", async () => {
  const [float32, bfloat16] = await Effect.all([losses, inBfloat16(losses)]).pipe(
    Effect.provide(Device.layer("native", { threads: 1 })),
    Effect.provide(platform),
    Effect.runPromise
  )
  const difference = largest(bfloat16, float32)
  expect(difference).toBeGreaterThan(0)
  expect(difference).toBeLessThanOrEqual(largest(golden.autocast, golden.float32))
  expect(difference).toBeLessThanOrEqual(largest(golden.bfloat16, golden.float32))
})
