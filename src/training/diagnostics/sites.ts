/** Which adapted sites are looked at. */
import { matches, unmatched } from "../../../adapters/index.ts"
import type { DiagnosticsConfig } from "../../../schemas/index.ts"
import type { LinearSite } from "../../tensors/index.ts"

export type LookedAt = DiagnosticsConfig["sites"]

/**
 * The adapted sites that the patterns mean, in their own order. `prefix`: the checkpoint's, as in `ModelDescription`.
 */
export const lookedAtSites = (
  sites: ReadonlyArray<LinearSite>,
  prefix: string,
  lookedAt: LookedAt
): ReadonlyArray<LinearSite> =>
  lookedAt === "all" ? sites : sites.filter(({ name }) => lookedAt.some((pattern) => matches(pattern, name, prefix)))

/** A sentence for each pattern that means none of them. `where`: the patterns' path in the plan. */
export const lookedAtProblems = (
  sites: ReadonlyArray<LinearSite>,
  prefix: string,
  lookedAt: LookedAt,
  where: string
): ReadonlyArray<{ readonly path: string; readonly message: string }> =>
  lookedAt === "all"
    ? []
    : unmatched(
        lookedAt,
        sites.map(({ name }) => name),
        prefix,
        where,
        "adapted layer"
      )
