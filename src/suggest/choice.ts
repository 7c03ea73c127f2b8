/** One value of a suggested plan with its reason, and the conversion of choices to a plan. */
import type { RunPlanInput } from "../../schemas/index.ts"
import type { Finding } from "./findings.ts"

export interface Choice {
  /** dotted path, as in error messages of plans: `training.steps` */
  readonly path: string
  /** JSON value */
  readonly value: number | string | boolean | ReadonlyArray<unknown> | Readonly<Record<string, unknown>>
  /** one or two sentences, without the final full stop */
  readonly reason: string
  /** documentation of the measurement or publication that the value is based on; absent if the data or the machine determines it */
  readonly source?: string
}

/** Creates a choice that is based on a measurement: its reason, followed by the finding. */
export const measured = (path: string, value: Choice["value"], reason: string, finding: Finding): Choice => ({
  path,
  value,
  reason: reason === "" ? finding.says : `${reason}: ${finding.says}`,
  source: finding.source
})

type Tree = { readonly [key: string]: unknown }

const placed = (tree: Tree, [key, ...rest]: ReadonlyArray<string>, value: unknown): Tree => ({
  ...tree,
  [key!]: rest.length === 0 ? value : placed((tree[key!] ?? {}) as Tree, rest, value)
})

/** Returns a plan before decoding: the user's sections with the chosen values added. */
export const planOf = (sections: Tree, choices: ReadonlyArray<Choice>): RunPlanInput =>
  choices.reduce<Tree>(
    (plan, { path, value }) => placed(plan, path.split("."), value),
    sections
  ) as unknown as RunPlanInput

/** Returns the value at a path of a plan, or undefined. */
export const valueAt = (plan: unknown, path: string): unknown =>
  path.split(".").reduce<unknown>((tree, key) => (tree as Tree | undefined)?.[key], plan)
