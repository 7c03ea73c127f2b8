/** `suggest PLAN | --model DIR --data FILE`: a plan on stdout, the reason for each of its values on stderr. */
import * as Console from "effect/Console"
import { Argument, Command, Flag } from "effect/cli"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { isClassificationPlan } from "../../schemas/index.ts"
import { type FileError, fileError } from "../output/atomic-file.ts"
import { planFromValue, readPlan } from "../plan/index.ts"
import { type Suggestion, suggest, suggestionText } from "../suggest/index.ts"
import { deviceFlag, jsonFlag } from "./device-flags.ts"
import { told, userError } from "./told.ts"

const file = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.optional)

const flags = {
  plan: Argument.String("plan").pipe(
    Argument.withDescription("Plan whose model and data are taken; its other values are suggested anew"),
    Argument.optional
  ),
  model: file("model", "folder of the base model, instead of a plan"),
  data: file("data", "training rows (.jsonl, .ndjson or .csv), with --model"),
  validation: file("validation", "rows to evaluate during training (default: a share of --data is held out)"),
  test: file("test", "rows to evaluate at the end"),
  text: file("text", 'column that holds the text (default: "text")'),
  label: file("label", 'column that holds the label (default: "label")'),
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

type Named = "model" | "data" | "validation" | "test" | "text" | "label"
type Given = { readonly [name in Named]: Option.Option<string> } & { readonly plan: Option.Option<string> }

const names: ReadonlyArray<Named> = ["model", "data", "validation", "test", "text", "label"]

/** The plan that model and data are taken from. */
const readGiven = (given: Given) =>
  Effect.gen(function* () {
    const flagged = names.filter((name) => Option.isSome(given[name]))
    const list = flagged.map((name) => `--${name}`).join(", ")
    if (Option.isSome(given.plan)) {
      if (flagged.length === 0) return (yield* readPlan(given.plan.value)).plan
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
    const value = (name: Named) => Option.getOrUndefined(given[name])
    const optional = (["validation", "test", "text", "label"] as const).filter((name) => Option.isSome(given[name]))
    const data = Object.fromEntries(optional.map((name) => [name, value(name)]))
    const plan = {
      model: { source: value("model") },
      data: { format: "classification", train: value("data"), ...data },
      // replaced by what is suggested
      optimizer: { kind: "adamw", learningRate: 1e-3 },
      training: { steps: 1 }
    }
    return yield* planFromValue(plan, process.cwd())
  })

const written = ({ plan }: Suggestion): string => `${JSON.stringify(plan, null, 2)}\n`

/** Fails where there is a file already: a plan that somebody edited is not replaced by a suggestion. */
const writeNew = (target: string, content: string): Effect.Effect<void, FileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    yield* fs.writeFileString(target, content, { flag: "wx" })
  }).pipe(Effect.mapError(fileError("write", target)))

const textsAlone =
  'data.format: found "arrays"; suggest knows what was measured on texts, and expects a plan over texts: for a tf.LayersModel start from examples/digits/turned.json'

export const suggestCommand = Command.make("suggest", flags, ({ memory, out, device, json, ...given }) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const target = Option.getOrUndefined(out)
    const directory = target === undefined ? process.cwd() : path.dirname(path.resolve(target))
    const plan = yield* readGiven(given)
    if (!isClassificationPlan(plan)) return yield* userError(textsAlone)
    const suggestion = yield* suggest(plan, directory, {
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
