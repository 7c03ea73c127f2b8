/**
 * What every test file starts with: the quiet CPU backend, and the tolerances with their reasons.
 *
 * tfjs's own matcher allows 1e-3 absolute, which hides errors of the size of a LoRA update, and calls any two non-finite
 * numbers close. Ours is relative to the largest expected entry, and non-finite equals only itself.
 */
import { expect } from "bun:test"
import * as tf from "@tensorflow/tfjs"

// no "install the node backend" banner in test output
tf.env().set("IS_NODE", true)
tf.env().set("IS_TEST", true)

/** Tolerances, as max|x − y| over max|y|. */
export const tolerance = {
  /** a forward pass in float32 against another float32 implementation: the goldens' own bound; a wrong gelu shows at 2e-5 */
  forward: 2e-5,
  /** gradients of the same: more sums, and measured noise of 1e-5 in the reference itself */
  gradient: 2e-4,
  /** one float32 operation, against float64 */
  operation: 2e-6
} as const

/** max|x − y| / max|y|; infinite where the lengths differ or a non-finite entry does not equal its counterpart. */
export const relativeError = (actual: ArrayLike<number>, expected: ArrayLike<number>): number => {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY
  let difference = 0
  let largest = 0
  for (let i = 0; i < expected.length; i++) {
    const x = actual[i]!
    const y = expected[i]!
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      if (!Object.is(x, y)) return Number.POSITIVE_INFINITY
      continue
    }
    difference = Math.max(difference, Math.abs(x - y))
    largest = Math.max(largest, Math.abs(y))
  }
  return largest === 0 ? difference : difference / largest
}

/** Fails with the measured error, so that a tolerance can be judged from the report. */
export const expectClose = (actual: ArrayLike<number>, expected: ArrayLike<number>, bound: number): void => {
  expect(expected.length).toBeGreaterThan(0)
  expect(relativeError(actual, expected)).toBeLessThanOrEqual(bound)
}

/** Runs `f` and fails if a tensor or a data buffer is left behind. */
export const expectNoLeak = async (f: () => unknown): Promise<void> => {
  const before = tf.memory()
  await f()
  const after = tf.memory()
  expect({ tensors: after.numTensors, buffers: after.numDataBuffers }).toEqual({
    tensors: before.numTensors,
    buffers: before.numDataBuffers
  })
}
