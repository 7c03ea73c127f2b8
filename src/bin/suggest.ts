/** `suggest PLAN | --model DIR --data FILE`: prints a plan to stdout, and the reason for each of its values to stderr. */
import { Prompt } from "effect/cli"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { printable, shellWord } from "../boundary/index.ts"
import { type FileError, fileError } from "../files/index.ts"
import { kindOf, kinds } from "../kinds/index.ts"
import { command } from "../output/invocation.ts"
import { readPlan } from "../plan/index.ts"
import { Work } from "../progress/index.ts"
import {
  columnNames,
  type Detection,
  detect,
  flagOf,
  type Learnable,
  type NamedSources,
  planOfLearnable,
  type Suggestion,
  suggest as suggested,
  suggestionText,
  undecided
} from "../suggest/index.ts"
import { includedModels } from "./embedded.ts"
import type { Given, suggestFlags } from "./flags.ts"
import { print, printBeside, printJson, screen, userError } from "./output.ts"
import { terminalListener } from "./terminal.ts"

const files = ["model", "data", "validation", "test"] as const
const dialect = ["separator", "encoding"] as const
const names = [...files, "format", ...columnNames, ...dialect] as const
type Named = (typeof names)[number]
type Source = Pick<Given<typeof suggestFlags>, Named | "plan">

/** Returns the task that the rows clearly suggest, or the user's choice: by arrow keys on a terminal, by flags elsewhere. */
const chosen = (source: string, detection: Detection) => {
  const { learnables, clear } = detection
  if (clear) return Effect.succeed(learnables[0]!)
  if (process.stdin.isTTY !== true || process.stdout.isTTY !== true) return Effect.fail(undecided(source, detection))
  const answer = (learnable: Learnable) => {
    const { sentence, example, model } = learnable
    return {
      title: printable(sentence),
      description: printable("needs" in model ? model.needs : example),
      value: learnable
    }
  }
  return Prompt.run(Prompt.Select({ message: "What should the model learn?", choices: learnables.map(answer) })).pipe(
    Effect.mapError(() => userError("nothing was chosen, so no plan was written"))
  )
}

const models = Object.values(includedModels)

/** Returns the plan's model and data; if no model is named, the suitable bundled one. */
export const readGiven = (flags: Source) =>
  Effect.gen(function* () {
    const flagged = names.filter((name) => Option.isSome(flags[name]))
    const list = flagged.map((name) => `--${flagOf(name)}`).join(", ")
    if (Option.isSome(flags.plan)) {
      if (flagged.length === 0) return { ...(yield* readPlan(flags.plan.value)).plan, detected: [] }
      return yield* userError(
        `found a plan (${flags.plan.value}) and ${list}; a plan already names its model and data: pass one or the other`
      )
    }
    if (Option.isNone(flags.data)) {
      const sources = flagged.length === 0 ? "neither a plan nor --data" : `${list} without --data`
      return yield* userError(`found ${sources}; pass a plan, or your rows with --data FILE`)
    }
    const named = <Name extends Named>(chosenNames: ReadonlyArray<Name>) =>
      Object.fromEntries(
        chosenNames.flatMap((name) =>
          Option.match(flags[name], { onNone: () => [], onSome: (value) => [[name, value]] })
        )
      ) as { readonly [name in Name]?: string }
    const { data, ...others } = named([...files, "format"])
    const reading = { columns: named(columnNames), dialect: named(dialect) as NamedSources["dialect"] }
    const sources: NamedSources = { data: data!, ...others, ...reading, models: models.map(({ source }) => source) }
    const detection = yield* detect(kinds, sources)
    for (const note of detection.notes) yield* printBeside(`note: ${note}`)
    return yield* planOfLearnable(yield* chosen(sources.data, detection), sources, process.cwd())
  })

const planText = ({ plan }: Suggestion): string => `${JSON.stringify(plan, null, 2)}\n`

/** Fails if the file exists: a suggestion never replaces a plan that may have been edited. */
const writeNew = (target: string, content: string): Effect.Effect<void, FileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    yield* fs.writeFileString(target, content, { flag: "wx" })
  }).pipe(Effect.mapError(fileError("write", target)))

export const suggest = ({ memory, out, device, why, json, ...suggestOptions }: Given<typeof suggestFlags>) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const target = Option.getOrUndefined(out)
    const directory = target === undefined ? process.cwd() : path.dirname(path.resolve(target))
    const plan = yield* readGiven(suggestOptions)
    const included = models.find(({ source }) => source === plan.model.source)
    if (Option.isNone(suggestOptions.plan) && Option.isNone(suggestOptions.model) && included !== undefined)
      yield* printBeside(`note: ${included.title} is used, since no --model was given`)
    const suggestion = yield* suggested(yield* kindOf(plan), plan, directory, {
      device,
      ...(Option.isSome(memory) ? { memory: memory.value * 1e6 } : {})
    })
    if (target !== undefined) yield* writeNew(target, planText(suggestion))
    const { choices, warnings } = suggestion
    if (json) return yield* printJson({ plan: suggestion.plan, choices, warnings })
    yield* printBeside(
      suggestionText(suggestion, { why, before: Option.isSome(suggestOptions.plan) ? plan : undefined })
    )
    if (target === undefined) {
      yield* printBeside("\nThe plan's paths are relative to this directory: keep it here, or use --out FILE.")
      return yield* print(planText(suggestion).trimEnd())
    }
    const file = shellWord(target)
    yield* printBeside(
      [
        `\nWritten to ${target}.`,
        `Check it: ${command(`validate ${file}`)}`,
        `Train it: ${command(`train ${file}`)}`
      ].join("\n")
    )
  }).pipe(Effect.scoped, Effect.provideService(Work, terminalListener(screen)))
