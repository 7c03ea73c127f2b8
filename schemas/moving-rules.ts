/**
 * Facts that hold between how parameters are moved, what is moved, and how long: of every plan that trains something.
 */
import { type MethodFacts, methodsWith } from "./adapter.ts"
import { factsOfOptimizer, isDecided, type OptimizerConfig, optimizerRules, unconditional } from "./optimizer.ts"
import { type Rule, rule } from "./problems.ts"
import type { TrainingSection } from "./training.ts"

/** Parts of a plan that these rules check. */
export interface Moving {
  /** the adapter method's */
  readonly method: MethodFacts
  readonly optimizer: OptimizerConfig
  readonly training: Pick<TrainingSection, "steps" | "diagnostics">
}

const moving = rule<Moving>

/** "a", "b" or "c" */
const oneOf = (words: ReadonlyArray<string>): string =>
  words
    .map((word) => `"${word}"`)
    .join(", ")
    .replace(/, ([^,]*)$/, " or $1")

/** A rule about optimizers that need something of the adapter: `needs`, the fact of that name. */
const needed = (name: string, needs: "theorem" | "factors"): Rule<Moving> =>
  moving(name, "optimizer.kind", ({ method, optimizer }) => {
    const fact = method[needs]
    if (factsOfOptimizer(optimizer).needs !== needs || fact.holds) return undefined
    const methods = oneOf(methodsWith((facts) => facts[needs].holds))
    return `found "${optimizer.kind}" with adapter.method "${method.tag}", ${fact.because}; expected ${oneOf(unconditional)}, or adapter.method ${methods}`
  })

/** Rules of the optimizer and the adapter. */
export const factorRules: ReadonlyArray<Rule<Moving>> = [
  needed("theorem-holds", "theorem"),
  ...optimizerRules,
  needed("factors-are-trained", "factors"),
  moving("diagnostics-need-factors", "training.diagnostics", ({ method, training: { diagnostics } }) =>
    diagnostics !== undefined && !method.theorem.holds
      ? `not supported with adapter.method "${method.tag}", since diagnostics compare with the full gradient of W + s·BA; leave diagnostics out, or set adapter.method to ${oneOf(methodsWith(({ theorem }) => theorem.holds))}`
      : undefined
  )
]

/** Rules of the learning rate over the steps. */
export const scheduleRules: ReadonlyArray<Rule<Moving>> = [
  moving("warmup-once", "optimizer.schedule", ({ optimizer: { schedule } }) =>
    schedule.warmup !== undefined && schedule.warmupSteps !== undefined
      ? `found both warmup (${schedule.warmup}) and warmupSteps (${schedule.warmupSteps}); expected at most one of the two`
      : undefined
  ),
  moving("warmup-ends", "optimizer.schedule.warmupSteps", ({ optimizer: { schedule }, training: { steps } }) =>
    steps !== undefined && schedule.warmupSteps !== undefined && schedule.warmupSteps >= steps
      ? `found ${schedule.warmupSteps} with training.steps ${steps}; expected fewer than the steps, otherwise the rate never reaches its peak`
      : undefined
  ),
  // decoupled decay multiplies by 1 − ηλ (LoRA-Pro's full form by its root), which has to stay positive
  moving("decay-shrinks", "optimizer.weightDecay", ({ optimizer }) => {
    const { headLearningRate = 0, weightDecay } = optimizer
    const own = isDecided(optimizer) ? factsOfOptimizer(optimizer).largestRate(optimizer) : 0
    const rate = Math.max(own, headLearningRate)
    return rate * weightDecay >= 1
      ? `found ${weightDecay} with a learning rate of ${rate}; expected learning rate × weightDecay below 1, otherwise decay flips the sign of the weights`
      : undefined
  })
]
