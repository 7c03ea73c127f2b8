/** How often a state that is no better replaces the last, and one that is better does: runs of made-up evaluations. */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { randomStream } from "../../../src/numbers/index.ts"
import { chanceOf, LEVEL } from "../../../src/run/choice.ts"
import { ratioOf } from "../../../src/training/index.ts"

test("of states that are equally good the best of five replaces the last in at most 5 of 100 runs; one that is better does", async () => {
  const [rows, states, runs] = [240, 5, 400]
  const level = LEVEL / (states - 1)
  /** What each of the states says of the rows, of which the last is right on `share` and the others on `share + gain`. */
  const replaced = async (seed: number, gain: number) => {
    const random = randomStream(seed, "states", gain)
    // rows are easy or hard for all states alike
    const ease = Array.from({ length: rows }, () => 4 * (random() - 0.5))
    const right = Array.from({ length: states }, (_, state) =>
      ease.map((own) => (random() < (state < states - 1 ? gain : 0) + 1 / (1 + Math.exp(-1.5 - own)) ? 1 : 0))
    )
    const last = right.pop()!
    const sum = (all: ReadonlyArray<number>) => all.reduce((total, one) => total + one, 0)
    const best = right.toSorted((a, b) => sum(b) - sum(a))[0]!
    return {
      looksBetter: sum(best) > sum(last),
      isReplaced:
        sum(best) > sum(last) &&
        (await Effect.runPromise(chanceOf(ratioOf(best), ratioOf(last), { better: "higher", level, seed }))) <= level
    }
  }
  const of = (gain: number) => Promise.all(Array.from({ length: runs }, (_, seed) => replaced(seed, gain)))
  const noise = await of(0)
  // by the best alone nearly every run would replace its last state
  expect(noise.filter(({ looksBetter }) => looksBetter).length).toBeGreaterThan(runs / 2)
  // 20 are expected at most; 33 or more have a chance of 0.4 % at exactly 5 %
  expect(noise.filter(({ isReplaced }) => isReplaced).length).toBeLessThan(33)
  expect((await of(0.15)).filter(({ isReplaced }) => isReplaced).length).toBeGreaterThan(0.9 * runs)
}, 300_000)
