/**
 * LoRA-Muon and LoRA-TSD over six steps against trajectories that NumPy computed in float64 by the papers' formulas (test/golden/make/spectral.py). The
 * gradient of the toy loss is computed here in float64, from the factors as float32 holds them.
 */
import { expect, test } from "bun:test"
import { readdirSync, readFileSync } from "node:fs"
import type { OptimizerConfig } from "../../../schemas/optimizer.ts"
import { optimizerOf } from "../../../src/optimizers/index.ts"
import { alone } from "../../../src/ranks/index.ts"
import { describeEverywhere } from "./everywhere.ts"
import { combine, deviation, type Matrix, times, transpose } from "./matrix.ts"
import { disposeState, matrixOf, pairOf, type Run, takeStep, treeOf } from "./tensors.ts"

const folder = new URL("../../golden/spectral/", import.meta.url)

interface Trajectory {
  readonly name: string
  readonly rule: "lora-muon" | "lora-tsd"
  readonly tau?: number
  readonly s: number
  readonly lr: ReadonlyArray<number>
  readonly momentum: number
  readonly weight_decay: number
  readonly W0: Matrix
  readonly W_star: Matrix
  readonly A0: Matrix
  readonly B0: Matrix
  readonly A: ReadonlyArray<Matrix>
  readonly B: ReadonlyArray<Matrix>
}

/** As a plan has it, at the trajectory's own rates. */
const transformFor = async ({ rule, tau = 0, lr, momentum, weight_decay }: Trajectory) => {
  const shared = {
    momentum,
    learningRate: lr[0]!,
    weightDecay: weight_decay,
    clipNorm: null,
    schedule: { kind: "constant" },
    damping: 1e-12, // none, but for B = 0
    betas: [0.9, 0.999],
    epsilon: 1e-8
  } as const
  const config: OptimizerConfig =
    rule === "lora-tsd" ? { kind: rule, tau, x: "sylvester", ...shared } : { kind: rule, ...shared }
  const rate = (step: number) => lr[step - 1]!
  const { parts } = await optimizerOf(config).load()
  return parts(config, { body: rate, head: rate }, lr.length, alone).body
}

/**
 * Where float32 stays within 2e-7 otherwise. TSD from B = 0: what of the momentum is new to B is soon a thousandth of it, so float32 has its
 * direction to 1e-4, and the sign makes that as large as the rest; three times the worst measured.
 */
const toleranceOf = ({ name }: Trajectory) => (name === "tsd_zero" ? 6e-5 : 1e-6)

describeEverywhere("spectral trajectories", () => {
  for (const file of readdirSync(folder)) {
    const golden = JSON.parse(readFileSync(new URL(file, folder), "utf8")) as Trajectory
    test(golden.name, async () => {
      const transform = await transformFor(golden)
      const { s } = golden
      const params = treeOf(pairOf(golden.A0, golden.B0, s))
      let run: Run = { params, state: transform.init(params) }
      for (const [step, expected] of golden.A.entries()) {
        const [pair] = run.params.pairs
        const [A, B] = [await matrixOf(pair!.A), await matrixOf(pair!.B)]
        const g = combine([1, golden.W0], [s, times(B, A)], [-1, golden.W_star])
        const gradients = treeOf(pairOf(combine([s, times(transpose(B), g)]), combine([s, times(g, transpose(A))]), s))
        run = await takeStep(transform, run, gradients)
        const [moved] = run.params.pairs
        expect(deviation(await matrixOf(moved!.A), expected)).toBeLessThan(toleranceOf(golden))
        expect(deviation(await matrixOf(moved!.B), golden.B[step]!)).toBeLessThan(toleranceOf(golden))
      }
      disposeState(run.state)
    })
  }
})
