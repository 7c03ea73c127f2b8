/** The fields that optimizers share. */
import * as Schema from "effect/Schema"
import { belowOne, betas, choice, count, nonNegative, positive, withDefault } from "../fields.ts"

export const ScheduleConfig = Schema.Struct({
  kind: choice(
    ["constant", "linear", "cosine"],
    "How the rate goes on after the warm-up: stays, or falls to 0 at the last step."
  ),
  warmup: Schema.optionalKey(belowOne("Share of the steps over which the rate rises from 0. Not with warmupSteps.")),
  warmupSteps: Schema.optionalKey(count(0, "Steps over which the rate rises from 0. Not with warmup."))
}).annotate({ title: "Schedule", description: "The learning rate over the steps." })
export type ScheduleConfig = typeof ScheduleConfig.Type

/** The fields of every optimizer. */
export const shared = {
  learningRate: positive("η, the peak of the schedule."),
  headLearningRate: Schema.optionalKey(positive("η of the head and of modulesToSave. Absent: learningRate.")),
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
