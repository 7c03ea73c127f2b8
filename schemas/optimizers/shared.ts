/** The fields that optimizers share. */
import * as Schema from "effect/Schema"
import { belowOne, betas, choice, count, nonNegative, positive, withDefault } from "../fields.ts"

/** Schema of `optimizer.schedule`: the learning rate over the steps. */
export const ScheduleConfig = Schema.Struct({
  kind: choice(
    ["constant", "linear", "cosine"],
    "How the rate goes on after the warm-up: stays, or falls towards 0, which it would reach one step after the last."
  ),
  warmup: Schema.optionalKey(belowOne("Share of the steps over which the rate rises from 0. Not with warmupSteps.")),
  warmupSteps: Schema.optionalKey(count(0, "Steps over which the rate rises from 0. Not with warmup.", "steps"))
}).annotate({ title: "Schedule", description: "The learning rate over the steps." })
export type ScheduleConfig = typeof ScheduleConfig.Type

const numberOrAuto = Schema.Union([
  positive("η, the peak of the schedule."),
  Schema.Literal("auto").annotate({ description: "Found on the first batches, before the first step." })
]).annotate({
  expected: 'a number greater than 0, or "auto"',
  description: 'η, the peak of the schedule; "auto": found on the first batches, before the first step.'
})

/** A section whose rate is a number: what an optimizer can be made of. */
export type Decided<Config extends { readonly learningRate: number | "auto" }> = Config & {
  /** greater than 0: "auto" has been replaced by the rate that was found */
  readonly learningRate: number
}

/** Whether a section's rate is a number, not "auto". */
export const isDecided = <Config extends { readonly learningRate: number | "auto" }>(
  config: Config
): config is Decided<Config> => config.learningRate !== "auto"

/** For a section that is known to have a number. Throws a RangeError on "auto". */
export const mustBeDecided = <Config extends { readonly learningRate: number | "auto" }>(
  config: Config
): Decided<Config> => {
  if (isDecided(config)) return config
  throw new RangeError('learningRate is "auto"; expected a rate that was found')
}

/** The fields of every optimizer. */
export const shared = {
  learningRate: numberOrAuto,
  headLearningRate: Schema.optionalKey(
    positive('η of the head and of modulesToSave. Absent: learningRate; with learningRate "auto" found like it.')
  ),
  weightDecay: nonNegative("λ, decoupled from the gradient.").pipe(withDefault(0)),
  clipNorm: Schema.NullOr(positive("Largest norm."))
    .annotate({
      expected: "a number greater than 0, or null",
      description: "Largest global norm of the raw gradients; null: no clipping."
    })
    .pipe(withDefault(null)),
  schedule: ScheduleConfig.pipe(withDefault({ kind: "constant" }))
}

/** Adam's own. */
export const moments = {
  betas: betas.pipe(withDefault([0.9, 0.999])),
  epsilon: positive("ε, added outside the root.").pipe(withDefault(1e-8))
}
