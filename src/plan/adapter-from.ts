/**
 * `adapter.from`: merges a plan's section with the adapter that it names. Loaded for plans that have one.
 *
 * The adapter determines the parameters: method, rank, α, scaling, targets and modules to save. The plan may repeat these, as a run's own
 * plan.json does; a value that differs from the adapter's is a problem. The dropout is the adapter's unless the plan or the kind of run
 * specifies another.
 */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import { formatsOfOwnDropout, type PlanProblem, showValue } from "../../schemas/index.ts"
import { readPeftAdapter } from "../peft/index.ts"

type Section = Readonly<Record<string, unknown>>

/** Defaults of the fields that the adapter determines. */
const fieldsOfPlanOnly: Section = {
  overrides: [],
  exclude: [],
  modulesToSave: [],
  init: { kind: "kaiming" }
}

/** Returns the section with the adapter's fields, and all conflicts with the plan. `format`: the plan's data.format. */
export const withSource = (adapterSection: Section, baseDirectory: string, format: unknown) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const from = adapterSection["from"] as string
    const folder = /^hf:/.test(from) ? from : path.resolve(baseDirectory, from)
    const read = yield* readPeftAdapter(folder).pipe(
      Effect.match({
        onSuccess: ({ section }) => ({ section, problems: [] as ReadonlyArray<PlanProblem> }),
        onFailure: ({ problems }) => ({
          section: {},
          problems: problems.map((problem) => ({ path: "adapter.from", message: `${from}: ${problem}` }))
        })
      })
    )
    // the method is unknown: use any, so that no missing field is reported
    if (read.problems.length > 0) return { section: { method: "lora", ...adapterSection }, problems: read.problems }
    const folderSection: Section = read.section
    const { dropout: _, ...withoutDropout } = folderSection
    const decided = Object.entries({ ...fieldsOfPlanOnly, ...withoutDropout })
    const problems = decided.flatMap(([field, value]): ReadonlyArray<PlanProblem> => {
      if (!Object.hasOwn(adapterSection, field) || same(adapterSection[field], value)) return []
      const is = folderSection[field] === undefined ? "has none" : `has ${showValue(folderSection[field])}`
      const message = `found ${showValue(adapterSection[field])}, but the adapter that the run starts from (from: ${from}) ${is}; remove this field, or remove from`
      return [{ path: `adapter.${field}`, message }]
    })
    const isOwn = formatsOfOwnDropout.some((one) => one === format)
    return { section: { ...(isOwn ? withoutDropout : folderSection), ...adapterSection }, problems }
  })

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)
