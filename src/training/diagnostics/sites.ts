/** Which adapted sites are probed. */
import { matches, unmatched } from "../../../adapters/index.ts"
import type { DiagnosticsConfig } from "../../../schemas/index.ts"
import type { LinearSite } from "../../tensors/index.ts"

export type ProbedSites = DiagnosticsConfig["sites"]

/**
 * The adapted sites that the patterns mean, in their own order. `prefix`: the checkpoint's, as in `ModelDescription`.
 */
export const probedSites = (
  sites: ReadonlyArray<LinearSite>,
  prefix: string,
  probed: ProbedSites
): ReadonlyArray<LinearSite> =>
  probed === "all" ? sites : sites.filter(({ name }) => probed.some((pattern) => matches(pattern, name, prefix)))

/** A sentence for each pattern that means none of them. `where`: the patterns' path in the plan. */
export const probedProblems = (
  sites: ReadonlyArray<LinearSite>,
  prefix: string,
  probed: ProbedSites,
  where: string
): ReadonlyArray<{ readonly path: string; readonly message: string }> =>
  probed === "all"
    ? []
    : unmatched(
        probed,
        sites.map(({ name }) => name),
        prefix,
        where,
        "adapted layer"
      )
