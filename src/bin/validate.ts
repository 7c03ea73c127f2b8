/** `validate PLAN…`: decodes and resolves plans, and prints what would run, or every problem. Reads no weights, and opens no device. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { RunPlan } from "../../schemas/index.ts"
import { printable } from "../boundary/index.ts"
import type { RenderedSample } from "../data/causal/index.ts"
import {
  describeJudged,
  describePlan,
  describeProcesses,
  type JudgedPlan,
  judgedJson,
  judgePlan,
  kindOf,
  planJson,
  resolvePlan
} from "../kinds/index.ts"
import { processesEstimate, processesProblem, ResolveError, readPlan } from "../plan/index.ts"
import { Work } from "../progress/index.ts"
import type { Given, validateFlags } from "./flags.ts"
import { canColour, painted, printColoured, printJson, screen, userError } from "./output.ts"
import { terminalListener } from "./terminal.ts"

/** Prints a plan's validation: for people, or as JSON. */
const validated = (file: string, { set: settings, modelOnly, ranks, stepSeconds }: Given<typeof validateFlags>) =>
  Effect.gen(function* () {
    const { plan, name } = yield* readPlan(file, settings)
    const processes = Option.getOrElse(ranks, () => 1)
    const divided = (judged: JudgedPlan) => {
      if (Option.isNone(ranks)) return { lines: [], json: {} }
      const estimate = processesEstimate(judged, processes, Option.getOrUndefined(stepSeconds))
      return { lines: ["", describeProcesses(estimate)], json: { processes: estimate } }
    }
    const kind = yield* kindOf(plan)
    const here = yield* precisionNote(plan)
    if (modelOnly) {
      const judged = yield* judgePlan(kind, plan, name)
      const few = processesProblem(plan, processes)
      if (few !== undefined) return yield* new ResolveError({ name, problems: [few] })
      const more = divided(judged)
      return {
        text: printable([describeJudged(kind, judged), ...here, ...more.lines].join("\n")),
        json: { ...judgedJson(kind, judged), ...more.json }
      }
    }
    const resolved = yield* resolvePlan(kind, plan, name, processes)
    const more = divided(resolved)
    const described = printable([describePlan(kind, resolved), ...here, ...more.lines].join("\n"))
    const json = { ...planJson(kind, resolved), ...more.json }
    if (kind.sample === undefined) return { text: described, json }
    const sample = yield* kind.sample(resolved)
    return { text: `${described}\n${sampleText(sample)}`, json: { ...json, sample } }
  }).pipe(Effect.scoped)

/** A plan may be validated on one machine and run on another. Devices are loaded for plans in bfloat16 only. */
const precisionNote = ({ training }: RunPlan) =>
  Effect.gen(function* () {
    if (training.precision === "float32") return []
    const { BFLOAT16_NEEDS, bfloat16On, currentRuntime } = yield* Effect.promise(() => import("../device/index.ts"))
    const instructions = yield* bfloat16On(yield* currentRuntime)
    return instructions.length > 0 ? [] : [`note: this machine cannot run it: training.precision: ${BFLOAT16_NEEDS}`]
  })

/** Formats the first row as the model sees it: learned parts in green, or in brackets without colours. */
const sampleText = ({ where, runs, tokens, uncut, trained, examples = 1 }: RenderedSample): string => {
  const colours = canColour("stdout")
  const learned = (text: string) => (colours ? painted(text, "green", "stdout") : `⟦${text}⟧`)
  const text = runs.map((run) => (run.trained ? learned(printable(run.text)) : printable(run.text))).join("")
  const cut = uncut > tokens ? ` of its ${uncut}` : ""
  const which = examples > 1 ? `, the last of ${examples} examples` : ""
  return [
    "",
    `${printable(where)}${which}, ${tokens} tokens${cut}, ${trained} of them trained (${colours ? "in green" : "between ⟦ and ⟧"}):`,
    ...text.split("\n").map((line) => `  ${line}`)
  ].join("\n")
}

const noRanks = userError("--step-seconds needs --ranks N, the number of processes, such as --ranks 2")

export const validate = (flags: Given<typeof validateFlags>) =>
  Effect.gen(function* () {
    const { plans, ranks, stepSeconds, json } = flags
    if (Option.isSome(stepSeconds) && Option.isNone(ranks)) return yield* noRanks
    const failures: Array<string> = []
    for (const file of plans) {
      const result = yield* Effect.result(validated(file, flags))
      if (Result.isFailure(result)) {
        const { message } = result.failure
        failures.push(message.startsWith(file) || plans.length === 1 ? message : `${file}: ${message}`)
        if (json) yield* printJson({ plan: file, ok: false, problems: message.split("\n") })
        continue
      }
      const validation = result.success
      yield* json ? printJson({ plan: file, ok: true, ...validation.json }) : printColoured(validation.text)
    }
    if (failures.length > 0) {
      return yield* userError(failures.join("\n"))
    }
  }).pipe(Effect.provideService(Work, terminalListener(screen)))
