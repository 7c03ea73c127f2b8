/**
 * Optimizers as composable transforms. `loraPro` wraps an inner transform such as `scaleByAdam`; `adamw`, `lion` and `sgd` are whole optimizers;
 * `chain` composes transforms, `partition` gives the head its own, `scaleByLearningRate` ends a chain. `fromConfig` builds the optimizer of a
 * plan's section. TypeScript requires an entry for every kind in `schemas/`; a kind's transforms are loaded when a run uses it (`optimizer.ts`).
 *
 *   sgd                  trace → decay → −η
 *   adamw                scaleByAdam → decay → −η
 *   lion                 scaleByLion → decay → −η
 *   lora-plus            scaleByAdam → decay → ratio of B → −η
 *   riemannian           riemannian → scaleByAdam → decay → −η
 *   lora-pre             scaleByLoraPre → decay → −η
 *   lora-pro efficient   loraPro → scaleByAdam → decay → −η     (moments "invariant": scaleByInvariantAdam)
 *   lora-pro full        loraPro({ inner: scaleByAdam }) → −η → product decay   (moments "factored": factoredAdam)
 *   lora-pro sgd         loraPro → decay → −η              (dense tensors: AdamW)
 *   lora-rite            loraRite → decay → −η → balance   (dense tensors: AdamW)
 *   altlora, altlora-plus   altLora, altLoraPlus, with decay and −η in them   (dense tensors: AdamW)
 *   lora-muon            ema → loraMuon → −η → split decay (dense tensors: AdamW)
 *   reflora full         refLora → scaleByAdam → decay → −η
 *   reflora scalar       refLoraScalar, with Adam, decay and −η in it   (dense tensors: AdamW)
 *   lora-tsd             ema → loraPro({ inner: tangentSigns }) → decay → −η (dense tensors: AdamW)
 *
 * each after `clipByGlobalNorm` if requested, over all trainable parameters. Heads have the same schedule with their own peak,
 * and plain AdamW with every optimizer except sgd and lion.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import {
  count,
  type Decided,
  type DecidedOptimizer,
  decodeOptions,
  isDecided,
  OptimizerConfig,
  OptionsError,
  optimizerRules
} from "../../schemas/index.ts"
import { cut, messageOf } from "../boundary/index.ts"
import { Ranks } from "../ranks/index.ts"
import { adamwOptimizer } from "./adamw/index.ts"
import { altloraOptimizer, altloraPlusOptimizer } from "./altlora/index.ts"
import { clipByGlobalNorm } from "./clip.ts"
import { lionOptimizer } from "./lion/index.ts"
import { loraMuonOptimizer } from "./lora-muon/index.ts"
import { loraPlusOptimizer } from "./lora-plus/index.ts"
import { loraPreOptimizer } from "./lora-pre/index.ts"
import { loraProOptimizer } from "./lora-pro/index.ts"
import { loraRiteOptimizer } from "./lora-rite/index.ts"
import { loraTsdOptimizer } from "./lora-tsd/index.ts"
import type { Optimizer } from "./optimizer.ts"
import { refloraOptimizer } from "./reflora/index.ts"
import { riemannianOptimizer } from "./riemannian/index.ts"
import { scheduleFromConfig } from "./schedule.ts"
import { sgdOptimizer } from "./sgd/index.ts"
import { chain, partition, type Transform } from "./transform.ts"

export { mapTensors, type Trainable, tensorsOf, withTensors } from "../tensors/index.ts"
export {
  type AdamOptions,
  type AdamState,
  type AdamTransform,
  type AdamWOptions,
  adamw,
  scaleByAdam
} from "./adamw/transform.ts"
export { type AltLoraOptions, type AltLoraState, altLora, altLoraPlus } from "./altlora/transform.ts"
export { type ClipState, clipByGlobalNorm, globalNorm } from "./clip.ts"
export { addDecayedWeights, addProductDecay, addSplitDecay } from "./decay.ts"
export { type LionMoments, type LionOptions, type LionState, lion, scaleByLion } from "./lion/transform.ts"
export { type LoraMuonOptions, loraMuon } from "./lora-muon/transform.ts"
export { type LoraPlusOptions, loraPlus, scaleB } from "./lora-plus/transform.ts"
export { type LoraPreOptions, type LoraPreState, scaleByLoraPre } from "./lora-pre/transform.ts"
export { type FactoredAdam, factoredAdam } from "./lora-pro/factored-adam.ts"
export { type InvariantAdamState, scaleByInvariantAdam } from "./lora-pro/invariant-adam.ts"
export { type LoraProOptions, loraPro, type XChoice } from "./lora-pro/transform.ts"
export { balanceFactors, type LoraRiteOptions, type LoraRiteState, loraRite } from "./lora-rite/transform.ts"
export { type TangentSigns, tangentSigns } from "./lora-tsd/transform.ts"
export type {
  ComparedOptimizer,
  Optimizer,
  PairShape,
  PlannedMoments,
  SharedSettings,
  SharedWork,
  StateSize
} from "./optimizer.ts"
export { SHARED_FROM, whiteningNumbers } from "./optimizer.ts"
export { ownersOf, type PairSharing, pairsAmong } from "./pairs-among.ts"
export {
  allocateRanks,
  budgetAt,
  type RankAllocationOptions,
  type RankAllocationState,
  type RankBudget,
  type RankedSite
} from "./rank-allocation.ts"
export { budgetSteps, withAllocatedRanks } from "./rank-budget.ts"
export {
  type RefLoraOptions,
  type RefLoraScalarOptions,
  type RefLoraScalarState,
  type RefLoraState,
  refLora,
  refLoraScalar
} from "./reflora/transform.ts"
export { type RiemannianOptions, riemannian } from "./riemannian/transform.ts"
export {
  constant,
  cosine,
  linear,
  type Schedule,
  type ScheduleOptions,
  scaleByLearningRate,
  scheduleFromConfig
} from "./schedule.ts"
export { ema, type SgdOptions, sgd, type TraceOptions, trace } from "./sgd/transform.ts"
export { OptimizerStateError, stateFault, tensorsWithin } from "./state-fault.ts"
export {
  type Conditioning,
  chain,
  Elsewhere,
  layoutAt,
  layoutOf,
  OfShape,
  type PartitionOptions,
  partition,
  type State,
  type StateLayout,
  type Transform
} from "./transform.ts"

/** Error of an optimizer that cannot move these parameters on the current device, with the reason and what to do. */
export class OptimizerObstacle extends Schema.TaggedError<OptimizerObstacle>()("OptimizerObstacle", {
  /** what was found, what was expected and what to do */
  obstacle: Schema.String
}) {
  override get message() {
    return `the optimizer cannot take a step here: ${cut(this.obstacle, 600)}`
  }
}

/** Every optimizer by its tag in plans. */
export const optimizers = {
  sgd: sgdOptimizer,
  adamw: adamwOptimizer,
  lion: lionOptimizer,
  "lora-plus": loraPlusOptimizer,
  riemannian: riemannianOptimizer,
  "lora-pro": loraProOptimizer,
  "lora-rite": loraRiteOptimizer,
  altlora: altloraOptimizer,
  "altlora-plus": altloraPlusOptimizer,
  "lora-muon": loraMuonOptimizer,
  "lora-pre": loraPreOptimizer,
  reflora: refloraOptimizer,
  "lora-tsd": loraTsdOptimizer
} satisfies {
  readonly [Kind in OptimizerConfig["kind"]]: Optimizer<Extract<OptimizerConfig, { readonly kind: Kind }>>
}

/** Returns the optimizer of a section. */
export const optimizerOf = ({ kind }: Pick<OptimizerConfig, "kind">): Optimizer<OptimizerConfig> =>
  optimizers[kind] as Optimizer<OptimizerConfig>

/**
 * Creates the optimizer of a plan's section for a run of `steps` steps; missing fields get a plan's defaults. Fails with every problem of
 * the section, by their paths in a plan. Expects gradients of the mean loss.
 */
export const fromConfig = (
  section: Decided<typeof OptimizerConfig.Encoded>,
  steps: number
): Effect.Effect<Transform, OptimizerObstacle | OptionsError> => {
  const fields = Schema.Struct({ optimizer: OptimizerConfig, steps: count(1, "Steps of the run.", "steps") })
  const decoded = decodeOptions(fields, { optimizer: section, steps }, optimizerRules)
  const fail = (problems: OptionsError["problems"]) => Effect.fail(new OptionsError({ of: "fromConfig", problems }))
  if (Result.isFailure(decoded)) return fail(decoded.failure)
  const { optimizer } = decoded.success
  return isDecided(optimizer) ? transformOf(optimizer, steps) : fail([undecided])
}

const undecided = {
  path: "optimizer.learningRate",
  message: 'found "auto"; expected a number greater than 0, such as the one that Training.findRate finds'
}

/** Creates the optimizer of a decoded section, whose module it loads. */
export const transformOf = (config: DecidedOptimizer, steps: number): Effect.Effect<Transform, OptimizerObstacle> =>
  Effect.gen(function* () {
    const { parts } = yield* Effect.tryPromise({ try: optimizerOf(config).load, catch: notLoaded })
    const { learningRate, headLearningRate = learningRate, schedule, clipNorm } = config
    const rates = {
      body: scheduleFromConfig(schedule, learningRate, steps),
      head: scheduleFromConfig(schedule, headLearningRate, steps)
    }
    const whole = partition(parts(config, rates, steps, yield* Ranks))
    return clipNorm === null ? whole : chain(clipByGlobalNorm(clipNorm), whole)
  })

const notLoaded = (cause: unknown) =>
  new OptimizerObstacle({
    obstacle: `its code could not be loaded: ${messageOf(cause)}; check that the page is online and all files of its bundle are served`
  })
