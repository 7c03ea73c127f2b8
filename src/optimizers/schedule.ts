/**
 * Learning-rate schedules: functions of the step, counted from 1.
 *
 *   warm-up   t ≤ w:  peak · t/w
 *   after     p = (t−w) / (n−w+1):   constant peak · linear peak·(1−p) · cosine peak·½(1+cos πp)
 *
 * with w = max(1, warmup). The first and the last step both move: a rate of exactly 0 would be reached one step after the end.
 */
import type { ScheduleConfig } from "../../schemas/index.ts"
import { scaled } from "../kernels/index.ts"
import { tensorsOf, withTensors } from "../tensors/index.ts"
import type { Transform } from "./transform.ts"

/** A learning-rate schedule: step (1, 2, …) → learning rate. */
export type Schedule = (step: number) => number

export const rateAt = (learningRate: Schedule | number, step: number): number =>
  typeof learningRate === "number" ? learningRate : learningRate(step)

/** Options for a schedule: peak, number of steps, and warm-up from 0. */
export interface ScheduleOptions {
  /** largest rate, greater than 0 */
  readonly peak: number
  /** number of steps of the whole run, n */
  readonly steps: number
  /** number of warm-up steps, w, over which the rate rises; default 0: the first step has the peak rate */
  readonly warmup?: number
}

const warmed =
  (shape: (progress: number) => number) =>
  ({ peak, steps, warmup = 0 }: ScheduleOptions): Schedule => {
    const warm = Math.max(1, warmup)
    return (step) => {
      if (step <= warm) return (peak * step) / warm
      const progress = Math.min(1, (step - warm) / (steps - warm + 1))
      return peak * shape(progress)
    }
  }

/** Stays at the peak from the end of the warm-up to the last step. */
export const constant = warmed(() => 1)

/** Decreases linearly from the peak, and would reach 0 one step after the last. */
export const linear = warmed((progress) => 1 - progress)

/** Decreases from the peak along half a cosine, and would reach 0 one step after the last. */
export const cosine = warmed((progress) => 0.5 * (1 + Math.cos(Math.PI * progress)))

const shapes = { constant, linear, cosine } satisfies { [Kind in ScheduleConfig["kind"]]: typeof constant }

/** Creates the plan's schedule over a run of `steps` with a given peak. A warm-up fraction is rounded to whole steps. */
export const scheduleFromConfig = (config: ScheduleConfig, peak: number, steps: number): Schedule =>
  shapes[config.kind]({ peak, steps, warmup: config.warmupSteps ?? Math.round(steps * (config.warmup ?? 0)) })

/**
 * Multiplies updates by −η, as the last transform of a chain; the sign is negative because updates are added to the parameters. State:
 * number of steps taken, on the host.
 */
export const scaleByLearningRate = (learningRate: Schedule | number): Transform<number> => ({
  init: () => 0,
  update: (updates, state) => {
    const rate = rateAt(learningRate, state + 1)
    return { updates: withTensors(updates, scaled(-rate, tensorsOf(updates))), state: state + 1 }
  },
  learningRate: (state) => rateAt(learningRate, state + 1)
})
