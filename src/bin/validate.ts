/** `validate PLAN…`: decode and resolve, and say what would run, or every problem. No weight is read, no device opened. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { printable } from "../boundary/index.ts"
import type { RenderedSample } from "../data/causal/index.ts"
import { describeJudged, describePlan, judgedJson, judgePlan, kindOf, planJson, resolvePlan } from "../kinds/index.ts"
import { readPlan } from "../plan/index.ts"
import type { Given, validateFlags } from "./flags.ts"
import { printColoured, printJson } from "./output.ts"
import { userError } from "./user-error.ts"

/** What is printed of a plan: for a person, and for machines. */
const validated = (file: string, settings: ReadonlyArray<string>, modelOnly: boolean) =>
  Effect.gen(function* () {
    const { plan, name } = yield* readPlan(file, settings)
    const kind = yield* kindOf(plan)
    if (modelOnly) {
      const judged = yield* judgePlan(kind, plan, name)
      return { text: printable(describeJudged(kind, judged)), json: judgedJson(kind, judged) }
    }
    const resolved = yield* resolvePlan(kind, plan, name)
    const described = printable(describePlan(kind, resolved))
    const json = planJson(kind, resolved)
    if (kind.sample === undefined) return { text: described, json }
    const sample = yield* kind.sample(resolved)
    return { text: `${described}\n${sampleText(sample)}`, json: { ...json, sample } }
  }).pipe(Effect.scoped)

/** The first row as the model will see it: what is learned in green, or between brackets where there are no colours. */
const sampleText = ({ where, runs, tokens, uncut, trained }: RenderedSample): string => {
  const colours = process.stdout.isTTY === true && process.env["NO_COLOR"] === undefined
  const [on, off] = colours ? ["\u001b[32m", "\u001b[39m"] : ["⟦", "⟧"]
  const text = runs.map((run) => (run.trained ? `${on}${printable(run.text)}${off}` : printable(run.text))).join("")
  const cut = uncut > tokens ? ` of its ${uncut}` : ""
  return [
    "",
    `${printable(where)}, ${tokens} tokens${cut}; the ${trained} that are learned ${colours ? "in green" : `between ${on} and ${off}`}:`,
    ...text.split("\n").map((line) => `  ${line}`)
  ].join("\n")
}

export const validate = ({ plans, modelOnly, set, json }: Given<typeof validateFlags>) =>
  Effect.gen(function* () {
    const failures: Array<string> = []
    for (const file of plans) {
      const result = yield* Effect.result(validated(file, set, modelOnly))
      if (Result.isFailure(result)) {
        const { message } = result.failure
        failures.push(message.startsWith(file) || plans.length === 1 ? message : `${file}: ${message}`)
        if (json) yield* printJson({ plan: file, ok: false, problems: message.split("\n") })
        continue
      }
      const found = result.success
      yield* json ? printJson({ plan: file, ok: true, ...found.json }) : printColoured(found.text)
    }
    if (failures.length > 0) {
      return yield* userError(failures.join("\n"))
    }
  })
