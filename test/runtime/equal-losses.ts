/** What every device has to give: the losses of the wasm device, step by step. */
import { expect } from "bun:test"
import { methods, STEPS } from "./tiny-run.ts"

export type Losses = Readonly<Record<string, ReadonlyArray<number>>>

/**
 * Relative, at every step. Other orders of sums differ by 1e-7 in the first losses, and along 50 steps of the methods here that grows to
 * 2e-5 at most, between the cpu and wasm devices as well. A term of GELU's derivative that is 3 % off gives 3e-4 to 1e-2.
 */
const EQUAL = 1e-4

/** Fails with the method, the step and both losses where they differ most. */
export const expectEqualLosses = (losses: Losses, reference: Losses, names: ReadonlyArray<string>): void => {
  for (const method of names) {
    const [own, expected] = [losses[method] ?? [], reference[method]!]
    expect({ method, steps: own.length }).toEqual({ method, steps: STEPS })
    const errors = own.map((loss, i) => Math.abs(loss - expected[i]!) / expected[i]!)
    const worst = errors.indexOf(Math.max(...errors)) // of NaN: −1
    const found = { method, step: worst + 1, loss: own[worst], expected: expected[worst], error: errors[worst] }
    expect(errors[worst], JSON.stringify(found)).toBeLessThanOrEqual(EQUAL)
  }
}

/** Equal losses mean something where they move. */
export const expectMoving = (reference: Losses): void => {
  for (const method of Object.keys(methods)) {
    const losses = reference[method]!
    expect(losses.at(-1)!, method).toBeLessThan(0.9 * losses[0]!)
  }
}
