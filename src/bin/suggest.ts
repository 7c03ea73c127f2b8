/** `suggest PLAN | --model DIR --data FILE`: a plan on stdout, the reason for each of its values on stderr. */
import * as Console from "effect/Console"
import { Argument, Command, Flag } from "effect/cli"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { type FileError, fileError } from "../files/index.ts"
import { kindOf, kinds } from "../kinds/index.ts"
import { planFromValue, readPlan } from "../plan/index.ts"
import { columnNames, detect, type Suggestion, suggest, suggestionText } from "../suggest/index.ts"
import { deviceFlag, jsonFlag } from "./device-flags.ts"
import { told, userError } from "./told.ts"

const file = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.optional)

const flags = {
  plan: Argument.String("plan").pipe(
    Argument.withDescription("Plan whose model and data are taken; its other values are suggested anew"),
    Argument.optional
  ),
  model: file(
    "model",
    "base model, instead of a plan: a folder, a .gguf file, hf:owner/name, or the model.json of a tf.LayersModel"
  ),
  data: file("data", "training rows, with --model; what they are is read off the first of them"),
  validation: file("validation", "rows to evaluate during training (default: a share of --data is held out)"),
  test: file("test", "rows to evaluate at the end"),
  text: file("text", "column that holds the text"),
  label: file("label", "column that holds the label"),
  input: file("input", "column that holds a list of numbers, for a tf.LayersModel"),
  messages: file("messages", "column that holds a conversation"),
  prompt: file("prompt", "column that holds a prompt"),
  completion: file("completion", "column that holds what follows the prompt"),
  memory: Flag.Int("memory").pipe(
    Flag.withMetavar("MB"),
    Flag.filter(
      (megabytes) => megabytes >= 1,
      () => "an integer of at least 1"
    ),
    Flag.withDescription("memory that a run may take (default: what is free on this machine)"),
    Flag.optional
  ),
  out: file("out", "plan file to write, which must not exist (default: the plan goes to stdout)"),
  device: deviceFlag,
  json: jsonFlag
}

const files = ["model", "data", "validation", "test"] as const
const names = [...files, ...columnNames]
type Named = (typeof names)[number]
type Given = { readonly [name in Named]: Option.Option<string> } & { readonly plan: Option.Option<string> }

/** The plan that model and data are taken from. */
const readGiven = (given: Given) =>
  Effect.gen(function* () {
    const flagged = names.filter((name) => Option.isSome(given[name]))
    const list = flagged.map((name) => `--${name}`).join(", ")
    if (Option.isSome(given.plan)) {
      if (flagged.length === 0) return { ...(yield* readPlan(given.plan.value)).plan, found: [] }
      return yield* userError(
        `found a plan (${given.plan.value}) and ${list}: a plan says where its model and data are; give one or the other`
      )
    }
    const missing = (["model", "data"] as const).filter((name) => Option.isNone(given[name])).map((name) => `--${name}`)
    if (missing.length > 0) {
      const found =
        flagged.length === 0 ? "neither a plan nor --model and --data" : `${list} without ${missing.join(" and ")}`
      return yield* userError(`found ${found}; expected a plan, or --model DIR and --data FILE`)
    }
    const named = <Name extends Named>(wanted: ReadonlyArray<Name>) =>
      Object.fromEntries(
        wanted.flatMap((name) => Option.match(given[name], { onNone: () => [], onSome: (value) => [[name, value]] }))
      ) as { readonly [name in Name]?: string }
    const { model, data, ...splits } = named(files)
    const detected = yield* detect(kinds, model!, data!, named(columnNames))
    const { format, ...columns } = detected.data
    const plan = yield* planFromValue(
      {
        model: detected.model,
        data: { format, train: data, ...splits, ...columns },
        // replaced by what is suggested
        optimizer: { kind: "adamw", learningRate: 1e-3 },
        training: { steps: 1 }
      },
      process.cwd()
    )
    return { ...plan, found: detected.found }
  })

const written = ({ plan }: Suggestion): string => `${JSON.stringify(plan, null, 2)}\n`

/** Fails where there is a file already: a plan that somebody edited is not replaced by a suggestion. */
const writeNew = (target: string, content: string): Effect.Effect<void, FileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    yield* fs.writeFileString(target, content, { flag: "wx" })
  }).pipe(Effect.mapError(fileError("write", target)))

export const suggestCommand = Command.make("suggest", flags, ({ memory, out, device, json, ...given }) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const target = Option.getOrUndefined(out)
    const directory = target === undefined ? process.cwd() : path.dirname(path.resolve(target))
    const plan = yield* readGiven(given)
    const suggestion = yield* suggest(yield* kindOf(plan), plan, directory, {
      device,
      ...(Option.isSome(memory) ? { memory: memory.value * 1e6 } : {})
    })
    if (target !== undefined) yield* writeNew(target, written(suggestion))
    const { choices, warnings } = suggestion
    if (json) return yield* Console.log(JSON.stringify({ plan: suggestion.plan, choices, warnings }))
    yield* Console.error(suggestionText(suggestion, Option.isSome(given.plan) ? plan : undefined))
    if (target === undefined) {
      yield* Console.error("\nThe plan's paths are relative to this directory: keep it here, or use --out FILE.")
      return yield* Console.log(written(suggestion).trimEnd())
    }
    yield* Console.error(`\nWritten to ${target}. See what it comes to: validate ${target}; train it: train ${target}`)
  }).pipe(Effect.scoped, told)
).pipe(Command.withDescription("Suggest a plan for a model and data, with the reason for each value; reads no weights"))
