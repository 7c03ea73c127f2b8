/**
 * Learning-rate schedules: functions of the step, counted from 1.
 *
 *   warm-up   t ≤ w:  peak · t/w
 *   after     p = (t−w) / (n−w+1):   constant peak · linear peak·(1−p) · cosine peak·½(1+cos πp)
 *
 * with w = max(1, warmup). The first and the last step both move: a rate of exactly 0 would be reached one step after the end.
 */
import { positiveNumber, type ScheduleConfig, settled, wholeFromOne, wholeFromZero } from "../../schemas/index.ts"
import { scaled } from "../kernels/index.ts"
import { tensorsOf, withTensors } from "../tensors/index.ts"
import type { Transform } from "./transform.ts"

/** A learning-rate schedule: step (1, 2, …) → learning rate. */
export type Schedule = (step: number) => number

/** Returns the learning rate at a step. */
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

const warmed = (kind: ScheduleConfig["kind"], { peak, steps, warmup }: Required<ScheduleOptions>): Schedule => {
  const warm = Math.max(1, warmup)
  return (step) => {
    if (step <= warm) return (peak * step) / warm
    const progress = Math.min(1, (step - warm) / (steps - warm + 1))
    return peak * shapes[kind](progress)
  }
}

/** Factor of the peak at a progress from 0 to 1 after the warm-up. */
const shapes = {
  constant: () => 1,
  linear: (progress) => 1 - progress,
  cosine: (progress) => 0.5 * (1 + Math.cos(Math.PI * progress))
} satisfies { [Kind in ScheduleConfig["kind"]]: (progress: number) => number }

const inCode = (kind: ScheduleConfig["kind"], options: ScheduleOptions): Schedule => {
  const settings = {
    peak: { of: positiveNumber },
    steps: { of: wholeFromOne },
    warmup: { of: wholeFromZero, default: 0 }
  }
  return warmed(kind, settled(kind, settings, options))
}

/** Creates a schedule that stays at the peak from the end of the warm-up to the last step. */
export const constant = (options: ScheduleOptions): Schedule => inCode("constant", options)

/** Creates a schedule that decreases linearly from the peak, and would reach 0 one step after the last. */
export const linear = (options: ScheduleOptions): Schedule => inCode("linear", options)

/** Creates a schedule that decreases from the peak along half a cosine, and would reach 0 one step after the last. */
export const cosine = (options: ScheduleOptions): Schedule => inCode("cosine", options)

/** Creates the plan's schedule over a run of `steps` with a given peak. A warm-up fraction is rounded to whole steps. */
export const scheduleFromConfig = (config: ScheduleConfig, peak: number, steps: number): Schedule =>
  warmed(config.kind, { peak, steps, warmup: config.warmupSteps ?? Math.round(steps * (config.warmup ?? 0)) })

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
