/** LoRA-RITE against the authors' own optimizer, step by step; what it does at the edges. */
import { describe, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import { loraRite } from "../../../src/optimizers/lora-rite.ts"
import { scaleByLearningRate } from "../../../src/optimizers/schedule.ts"
import { chain } from "../../../src/optimizers/transform.ts"
import { describeOn } from "../../backends.ts"
import { describeEverywhere } from "./everywhere.ts"
import { follow, trajectory } from "./successors.ts"

/** As the authors' constructor names them. */
interface Options {
  readonly betas: readonly [number, number]
  readonly lr: number
  readonly clip_unmagnified_grad: number
  readonly update_skipping: number
}

const files = readdirSync(new URL("../../golden/successors/", import.meta.url)).flatMap((name) =>
  name.includes("rite") ? [name.replace(".json", "")] : []
)

const BOUND = 1e-5

const goldens = () => {
  test("the golden files are there", () => {
    expect(files).toHaveLength(6)
  })

  for (const file of files) {
    test(`${file}: A and B of every step`, async () => {
      const golden = trajectory<Options>(file)
      const { betas, lr, clip_unmagnified_grad, update_skipping } = golden.options
      const [b1, b2] = betas
      const transform = loraRite({ b1, b2, clipUnmagnified: clip_unmagnified_grad, skip: update_skipping })
      await follow(golden, chain(transform, scaleByLearningRate(lr)), BOUND)
    })
  }
}

describeEverywhere("LoRA-RITE's trajectories", goldens)
describe("LoRA-RITE's trajectories", () => describeOn("webgpu", goldens))
