/**
 * Selects which state of a run becomes its adapter. With `output.keep: "auto"` the best evaluated step replaces the last one only if the rows of
 * both evaluations show that it is better: the best of several evaluations of a few hundred rows is often the best by chance.
 *
 *   gain     in the run's metric, best − last, over rows resampled from these with replacement, the same rows for both
 *   chance   fraction of the resamples without a gain (a one-sided paired bootstrap), drawn with the plan's seed
 *   better   chance ≤ LEVEL / number of evaluations compared with the last: the best of k has k chances to look better (Bonferroni)
 *
 * No chance is below 2⁻ⁿ: that is how often n rows agree on nothing. The best and the newest evaluation stay in memory, with row scores;
 * a resumed run evaluates the state of the best checkpoint again, to the same bits.
 */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { Adapted } from "../../adapters/index.ts"
import type { RunPlan } from "../../schemas/index.ts"
import type { Network } from "../models/index.ts"
import { randomStream } from "../numbers/index.ts"
import type { Kept } from "../output/index.ts"
import { tensorsOf, withTensors } from "../tensors/index.ts"
import { type RowScore, scoreOf } from "../training/index.ts"
import type { evaluatorOf } from "./evaluator.ts"
import { choiceOf } from "./standing.ts"

/** Largest probability of replacing the last state if all states are equally good. */
export const LEVEL = 0.05

/** Number of resamples: enough for a fraction of one in a hundred, fewer for many rows, but enough that a few are beyond any level. */
const DRAWS = 2000
const ROWS_DRAWN = 2e8
const BEYOND = 5
/** Resamples per turn of the event loop. */
const ROWS_AT_ONCE = 2e5

/** Returns the probability of a gain as large as that of `best` over `last` if neither is better. */
export const chanceOf = (
  best: RowScore,
  last: RowScore,
  { better, seed, level }: { readonly better: "higher" | "lower"; readonly seed: number; readonly level: number }
): Effect.Effect<number> =>
  Effect.gen(function* () {
    const rows = best.size
    const draws = Math.max(Math.ceil(BEYOND / level), Math.min(DRAWS, Math.ceil(ROWS_DRAWN / rows)))
    const random = randomStream(seed, "which state is kept")
    const drawn = new Uint32Array(rows)
    const atOnce = Math.ceil(ROWS_AT_ONCE / rows)
    let without = 0
    for (let draw = 0; draw < draws; draw++) {
      if (draw % atOnce === 0) yield* Effect.sleep(0)
      for (let i = 0; i < rows; i++) drawn[i] = Math.floor(random() * rows)
      const gain = best.over(drawn) - last.over(drawn)
      if (!(better === "higher" ? gain > 0 : gain < 0)) without++
    }
    return Math.max((1 + without) / (1 + draws), 2 ** -rows)
  })

/** Copies the trained parameters, until the scope closes. A step replaces tensors, so a copy takes memory only for those that differ. */
export const heldState = (adapted: Adapted<Network>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => ({ tensors: [] as ReadonlyArray<Tensor> })),
      (copies) => Effect.sync(() => tf.dispose([...copies.tensors]))
    ),
    (copies) => ({
      hold: () => {
        tf.dispose([...copies.tensors])
        copies.tensors = tensorsOf(adapted.trainable).map((tensor) => tf.keep(tensor.clone()))
      },
      restore: () => {
        const last = tensorsOf(adapted.trainable)
        adapted.trainable = withTensors(adapted.trainable, copies.tensors)
        copies.tensors = []
        tf.dispose([...last])
      }
    })
  )

/**
 * Selects the state to keep after the last step and leaves it in `adapted`. `putBest`: replaces the last state with that after a step; returns
 * false if it cannot, and the last state stays. null: there was no metric, or no state to choose from.
 */
export const chooseState = <E, R>(
  adapted: Adapted<Network>,
  { seed, output: { keep } }: Pick<RunPlan, "seed" | "output">,
  evaluator: ReturnType<typeof evaluatorOf>,
  step: number,
  putBest: (step: number) => Effect.Effect<boolean, E, R>
) =>
  Effect.gen(function* () {
    const { standing, rowScores } = evaluator
    const newest = keep === "last" ? undefined : yield* evaluator.last(step)
    const best = choiceOf(standing, newest)
    if (best === null || newest === undefined || best.step === step) return best
    const value = scoreOf(newest, best.metric)
    // an equal value with a smaller loss is not better; a last state without a value is not kept
    if (keep === "auto" && value === best.value) return { ...best, step }
    if (keep === "best" || value === null) return (yield* putBest(best.step)) ? best : null
    const { watch } = standing
    const lastState = yield* heldState(adapted)
    const last = yield* rowScores(step)
    const isKnown = evaluator.isKnown(best.step)
    if (!isKnown) {
      lastState.hold()
      if (!(yield* putBest(best.step))) return null
    }
    const level = LEVEL / Math.max(1, standing.now().evaluations - 1)
    const of = (yield* rowScores(best.step))[best.metric]
    const chance = of === undefined ? 1 : yield* chanceOf(of, last[best.metric]!, { better: watch.better, seed, level })
    if (chance <= level) {
      if (isKnown && !(yield* putBest(best.step))) return null
      return { ...best, compared: { step, value, chance, level } }
    }
    if (!isKnown) lastState.restore()
    const choice: Kept = { ...best, step, value, compared: { step: best.step, value: best.value, chance, level } }
    return choice
  }).pipe(Effect.scoped)
