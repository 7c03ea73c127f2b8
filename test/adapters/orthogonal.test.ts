/** The orthogonal start: BA is 0 and neither factor is, its halves are orthogonal in rank space, and its moments are those of PEFT's. */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type LoraOptions, lora, select } from "../../adapters/index.ts"
import { noCalibration } from "../../adapters/init/calibration.ts"
import { orthogonal } from "../../adapters/init/orthogonal.ts"
import { randomStream } from "../../src/numbers/random.ts"
import { describeOnEach } from "../backends.ts"
import {
  combine,
  identity,
  type Matrix,
  maxAbs,
  norm,
  orthonormal,
  times,
  transpose
} from "../src/optimizers/matrix.ts"
import { matrixOf } from "../src/optimizers/tensors.ts"
import { described } from "./sites.ts"

const startOf = async (out: number, inputs: number, rank: number, seed = 0) => {
  const site = { name: "some.site", kind: "dense", out, in: inputs } as const
  const W = tf.zeros<tf.Rank.R2>([out, inputs])
  const source = { W, bias: null, random: randomStream(seed, out), calibrate: noCalibration }
  const { A, B } = await Effect.runPromise(orthogonal.init(undefined, { site, rank, scale: 1 }, source))
  const factors = { A: await matrixOf(A), B: await matrixOf(B) }
  tf.dispose([A, B, W])
  return factors
}

/** The projector onto the rows of a matrix with r/2 independent ones. */
const rowProjector = (X: Matrix, dimension: number): Matrix => {
  const basis = orthonormal(transpose(X.slice(0, dimension)))
  return times(basis, transpose(basis))
}

describeOnEach(() => {
  test("BA = 0, of factors that are not", async () => {
    for (const [out, inputs, rank] of [
      [9, 5, 2],
      [12, 30, 8],
      [30, 12, 12]
    ] as const) {
      const { A, B } = await startOf(out, inputs, rank)
      expect([A.length, A[0]!.length, B.length, B[0]!.length]).toEqual([rank, inputs, out, rank])
      // each entry of A and B is rounded once, relative to itself
      expect(norm(times(B, A))).toBeLessThan(2 ** -23 * norm(A) * norm(B))
      // r/2 directions of rank space for A, the others for B, and together all of them
      const [ofA, ofB] = [rowProjector(transpose(A), rank / 2), rowProjector(B, rank / 2)]
      expect(maxAbs(combine([1, ofA], [1, ofB], [-1, identity(rank)]))).toBeLessThan(1e-4)
    }
  })
})

describe("as PEFT's", () => {
  test("entries have mean 0 and variance 1/200: r/2 of r directions, of normal numbers over 10", async () => {
    const [A, B] = [[], []] as [Array<number>, Array<number>]
    // an entry is the product of one row of N with a column of Q that a start shares: variances settle over starts
    for (let seed = 0; seed < 40; seed++) {
      const start = await startOf(60, 50, 6, seed)
      A.push(...start.A.flat())
      B.push(...start.B.flat())
    }
    for (const values of [A, B]) {
      const n = values.length
      const mean = values.reduce((sum, x) => sum + x, 0) / n
      const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / n
      // 5 standard errors of n numbers, and of n numbers' squares
      expect(Math.abs(mean)).toBeLessThan(5 * Math.sqrt(1 / 200 / n))
      expect(Math.abs(variance * 200 - 1)).toBeLessThan(5 * Math.sqrt(2 / n))
    }
  })

  test("an odd rank is refused where it was asked for, before anything is read", () => {
    const options: LoraOptions = { rank: 4, alpha: 8, scaling: "standard", init: { kind: "orthogonal" } }
    const overrides = [{ targets: ["query"], rank: 3 }]
    const targets = ["query", "value"]
    expect(Result.isSuccess(select(described, lora, options, { targets }))).toBe(true)
    const refused = select(described, lora, options, { targets, overrides })
    expect(Result.isFailure(refused) ? refused.failure.problems : []).toEqual(
      [0, 1].map(() => ({
        path: "adapter.overrides.0.rank",
        message: 'init "orthogonal" splits the rank between A and B, so it needs an even rank; found 3, expected 2 or 4'
      }))
    )
  })
})
