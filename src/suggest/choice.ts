/** One value of a suggested plan with the reason for it, and how choices become a plan. */
import type { RunPlanInput } from "../../schemas/index.ts"
import type { Finding } from "./findings.ts"

export interface Choice {
  /** dotted, as in a plan's error messages: `training.steps` */
  readonly path: string
  /** as JSON has it */
  readonly value: number | string | boolean | ReadonlyArray<unknown> | Readonly<Record<string, unknown>>
  /** one sentence or two, with their full stops left out at the end */
  readonly reason: string
  /** where its basis was measured or published; absent where the data or the machine decides */
  readonly source?: string
}

/** A choice that rests on a measurement: its own words, then the finding's. */
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

/** A plan as it is written: the sections that the user gave, with the chosen values put in. It is decoded like any plan. */
export const planOf = (given: Tree, choices: ReadonlyArray<Choice>): RunPlanInput =>
  choices.reduce<Tree>(
    (plan, { path, value }) => placed(plan, path.split("."), value),
    given
  ) as unknown as RunPlanInput

/** The value at a path of a plan; undefined where there is none. */
export const valueAt = (plan: unknown, path: string): unknown =>
  path.split(".").reduce<unknown>((tree, key) => (tree as Tree | undefined)?.[key], plan)

/** A number as people read it: 1,350. */
export const count = (value: number): string => value.toLocaleString("en")
