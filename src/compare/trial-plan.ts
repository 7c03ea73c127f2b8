/**
 * The plan of one trial: the study's plan with the method's adapter and optimizer, the trial's rate, rank and seed, and a share of its
 * steps. The head moves at the same rate in every trial: the plan's `headLearningRate`, or its `learningRate` where it has none, since
 * a head that follows the rate of the method would be compared along with it.
 *
 * A sweep never sees the test split, nor looks at gradients: rates are picked by validation, and the verdict is of other seeds.
 */
import type * as Result from "effect/Result"
import { decodeRunPlanResult } from "../../schemas/decode.ts"
import { factsOfMethod, type PlanProblem, type RunPlan } from "../../schemas/index.ts"
import { comparedMethod } from "./methods.ts"
import type { Trial } from "./study.ts"

/** The rate of the head in every trial. */
export const headRateOf = ({ optimizer }: RunPlan): number => optimizer.headLearningRate ?? optimizer.learningRate

const sharedOptimizer = (plan: RunPlan, learningRate: number, share: number) => {
  const { optimizer } = plan
  const { weightDecay, clipNorm, schedule } = optimizer
  const { warmupSteps } = schedule
  return {
    learningRate,
    headLearningRate: headRateOf(plan),
    weightDecay,
    clipNorm,
    schedule: { ...schedule, ...(warmupSteps === undefined ? {} : { warmupSteps: Math.floor(share * warmupSteps) }) }
  }
}

const sharedTraining = ({ training }: RunPlan, share: number, seesGradients: boolean) => {
  const { steps, epochs, diagnostics, ...rest } = training
  return {
    ...rest,
    ...(steps === undefined ? {} : { steps: Math.max(1, Math.round(share * steps)) }),
    ...(epochs === undefined ? {} : { epochs: share * epochs }),
    // the distance to the full gradient is defined for W + s·BA alone
    ...(diagnostics === undefined || !seesGradients ? {} : { diagnostics })
  }
}

type Part = Omit<Trial, "id">

/** The trial's plan, with the input paths of `plan`; or every problem that the method has with it. */
export const trialPlan = (
  plan: RunPlan,
  { stage, method: name, learningRate, rank, seed, share }: Part
): Result.Result<RunPlan, ReadonlyArray<PlanProblem>> => {
  const method = comparedMethod(name)
  const { $schema: _, output, data, ...sections } = plan
  const { directory: __, ...kept } = output
  const { test: ___, ...unseen } = data
  const adapter = method.adapter(plan, rank ?? 0)
  const written = {
    ...sections,
    seed,
    data: stage === "sweep" ? unseen : data,
    adapter,
    optimizer: method.optimizer(sharedOptimizer(plan, learningRate, share), plan),
    training: sharedTraining(plan, share, stage !== "sweep" && factsOfMethod(adapter).theorem.holds),
    output: kept
  }
  return decodeRunPlanResult(written)
}
