/** Full-gradient diagnostics on demand, for pipelines in code; a plan's `training.diagnostics` runs them during training. */
import * as Effect from "effect/Effect"
import { InjectionError, matches, unmatched } from "../../../adapters/index.ts"
import type { DiagnosticsConfig } from "../../../schemas/index.ts"
import type { BatchOf, Network } from "../../models/index.ts"
import type { LinearSite } from "../../tensors/index.ts"
import type { Session } from "../session.ts"
import type { StepError } from "../step.ts"
import type { DiagnosticsReport } from "./report.ts"

/** Options for `diagnose`. */
export interface DiagnoseOptions {
  /**
   * whether the optimizer is LoRA-Pro's, so that its directions are compared with the theorem (`warnings`); default
   * false
   */
  readonly theorem?: boolean
}

/**
 * Measures how closely the session's method follows the full gradient of `batches` at `sites` ("all", or patterns over its adapted
 * layers) in its next step. The session does not change. Layers need a pair of factors: adapter
 * method `lora`, any init, any optimizer. Fails with `InjectionError` if a pattern matches no adapted layer, and with
 * `Diverged` if the step is not finite.
 *
 * @example
 * import { Console, Effect } from "effect"
 * import type { BatchOf, Model } from "tfjs-lora-pro/models"
 * import { diagnose, type Session } from "tfjs-lora-pro/training"
 *
 * const report = (session: Session, batch: BatchOf<Model>) =>
 *   Effect.gen(function* () {
 *     const { mean } = yield* diagnose(session, [batch], ["query", "value"])
 *     yield* Console.log(`${mean.method.discrepancy} of the gradient is missed, ${mean.best.discrepancy} at best`)
 *   })
 */
export const diagnose = <M extends Network>(
  session: Session<M>,
  batches: ReadonlyArray<BatchOf<M>>,
  sites: ProbedSites = "all",
  { theorem = false }: DiagnoseOptions = {}
): Effect.Effect<DiagnosticsReport, InjectionError | StepError> =>
  Effect.gen(function* () {
    const { adapted } = session
    const { prefix } = adapted.model
    const problems = [
      ...probedProblems(adapted.sites, prefix, sites, "sites"),
      ...(adapted.method.theorem.holds || adapted.sites.length === 0 ? [] : [withoutFactors(adapted.method.tag)])
    ]
    if (problems.length > 0) return yield* new InjectionError({ problems })
    // loaded where it is asked for: few programs diagnose
    const { probeAhead } = yield* Effect.promise(() => import("./probe.ts"))
    return yield* probeAhead(session, batches, { sites: probedSites(adapted.sites, prefix, sites), theorem })
  })

const withoutFactors = (method: string) => ({
  path: "adapter.method",
  message: `found "${method}"; the distance to the full gradient is defined for W + s·BA only: use adapter.method "lora"`
})

/** Which adapted layers are probed: "all", or patterns of their names. */
export type ProbedSites = DiagnosticsConfig["sites"]

/**
 * Returns the adapted layers that the patterns match, in the model's order. `prefix`: the checkpoint's, as in `ModelDescription`.
 */
export const probedSites = (
  sites: ReadonlyArray<LinearSite>,
  prefix: string,
  probed: ProbedSites
): ReadonlyArray<LinearSite> =>
  probed === "all" ? sites : sites.filter(({ name }) => probed.some((pattern) => matches(pattern, name, prefix)))

/** Returns a sentence for each pattern without a match. `where`: the patterns' path in the plan. */
export const probedProblems = (
  sites: ReadonlyArray<LinearSite>,
  prefix: string,
  probed: ProbedSites,
  where: string
): ReadonlyArray<{
  /** path of the pattern: `where` and its index */
  readonly path: string
  /** the pattern, and the most similar names */
  readonly message: string
}> =>
  probed === "all"
    ? []
    : unmatched(
        probed,
        sites.map(({ name }) => name),
        prefix,
        where,
        "adapted layer"
      )
