/**
 * `adapter.from`: what a plan's section says beside it, and what the adapter there says. Loaded where a plan has one.
 *
 * What decides which numbers there are (method, rank, α, scaling, targets, modules to save) is the adapter's. It may be written in the plan
 * too, as a run's own plan.json has it; anything else than the adapter has is a problem. Its dropout is the adapter's unless the plan or
 * the kind says otherwise.
 */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import { formatsOfOwnDropout, type PlanProblem, showValue } from "../../schemas/index.ts"
import { readPeftAdapter } from "../peft/index.ts"

type Section = Readonly<Record<string, unknown>>

/** What a section that is left out says, of the fields that an adapter decides. */
const unsaid: Section = {
  overrides: [],
  exclude: [],
  modulesToSave: [],
  init: { kind: "kaiming" }
}

/** The section with everything that the adapter decides, and what of the plan is in its way. `format`: the plan's data.format. */
export const withSource = (written: Section, baseDirectory: string, format: unknown) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const from = written["from"] as string
    const place = /^hf:/.test(from) ? from : path.resolve(baseDirectory, from)
    const read = yield* readPeftAdapter(place).pipe(
      Effect.match({
        onSuccess: ({ section }) => ({ section, problems: [] as ReadonlyArray<PlanProblem> }),
        onFailure: ({ problems }) => ({
          section: {},
          problems: problems.map((problem) => ({ path: "adapter.from", message: `${from}: ${problem}` }))
        })
      })
    )
    // which method it has is not known: any one, so that nothing is said to be missing
    if (read.problems.length > 0) return { section: { method: "lora", ...written }, problems: read.problems }
    const own: Section = read.section
    const { dropout: _, ...withoutDropout } = own
    const decided = Object.entries({ ...unsaid, ...withoutDropout })
    const problems = decided.flatMap(([field, value]): ReadonlyArray<PlanProblem> => {
      if (!Object.hasOwn(written, field) || same(written[field], value)) return []
      const is = own[field] === undefined ? "has none" : `has ${showValue(own[field])}`
      const message = `found ${showValue(written[field])}, and the adapter that the run begins with (from: ${from}) ${is}; leave it out here, or begin without from`
      return [{ path: `adapter.${field}`, message }]
    })
    const isOwn = formatsOfOwnDropout.some((one) => one === format)
    return { section: { ...(isOwn ? withoutDropout : own), ...written }, problems }
  })

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)
