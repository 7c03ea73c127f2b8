/** On wasm the same seed gives the same bits, with one thread and with two; another seed others. */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import type { OptimizerConfig } from "../../../schemas/index.ts"
import { openWasm } from "../../../src/device/wasm.ts"
import { takeStep } from "../../../src/training/index.ts"
import { adamw, loraProEfficient, loraProFull } from "./optimizers.ts"
import { randomBatch } from "./tiny-bert.ts"
import { type MethodName, tinySession, valuesOf } from "./tiny-session.ts"

const STEPS = 10
/** Threads that wait for each other are slow where other programs want the cores. */
const TIMEOUT = 60_000

const trained = (config: OptimizerConfig, method: MethodName, seed: number, threads = 1) =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        yield* openWasm({ threads })
        const session = yield* tinySession(config, { method, seed })
        for (let i = 0; i < STEPS; i++) yield* takeStep(session, [randomBatch(4, 8, i)])
        return yield* valuesOf(session.adapted.trainable)
      })
    )
  )

for (const [name, config, method] of [
  ["lora-pro full", loraProFull, "lora"],
  ["lora-pro efficient", loraProEfficient, "lora"],
  ["adamw on lora", adamw, "lora"],
  ["adamw on full", adamw, "full"]
] as const) {
  test(
    `${name}: the same bits after ${STEPS} steps`,
    async () => {
      const once = await trained(config, method, 0)
      expect(once.size).toBeGreaterThan(10)
      expect(await trained(config, method, 0)).toEqual(once)
    },
    TIMEOUT
  )
}

test(
  "two threads give the bits of one",
  async () => {
    expect(await trained(loraProFull, "lora", 0, 2)).toEqual(await trained(loraProFull, "lora", 0))
  },
  TIMEOUT
)

test("another seed starts elsewhere", async () => {
  const [zero, one] = [await trained(loraProFull, "lora", 0), await trained(loraProFull, "lora", 1)]
  const factors = [...zero.keys()].filter((name) => name.endsWith(".A"))
  expect(factors).toHaveLength(12)
  for (const name of factors) expect(one.get(name)!).not.toEqual(zero.get(name)!)
})
