/** The command line: maps argv to effects, results to text, and failures to exit codes. Loads a command's code when it is called. */
import * as NodeRuntime from "@effect/platform-node-shared/NodeRuntime"
import * as Console from "effect/Console"
import { Command } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import ownPackage from "../../package.json" with { type: "json" }
import { LIMITS_VARIABLE, printable, setLimitsFromText } from "../boundary/index.ts"
import { watchParent } from "../compare/parent-watch.ts"
import type { platform } from "../platform.ts"
import * as Flags from "./flags.ts"
import { libraryConsole, reported } from "./output.ts"

/** Descriptions of the commands for `--help`. */
const says = {
  new: "Create a project with a plan for your rows, or for the package's example rows",
  train: "Train a plan and write the run folder",
  validate: "Check a plan: show what it would train, or all its problems; reads no weights",
  suggest: "Suggest a plan for a model and data, with the main reasons; reads no weights",
  evaluate: "Evaluate a trained run",
  judge: "Let another model judge what a trained language model answers in 80 dialogues, compared with its base model",
  predict: "Label texts with a trained run",
  embed: "Embed texts with a trained run or an encoder",
  generate: "Generate text with a trained run or a causal language model",
  chat: "Chat with a trained run or a causal language model",
  serve: "Serve trained runs over HTTP: labels, vectors, texts, and OpenAI's API",
  studio: "Open the studio, an app in the browser to train, watch, try, compare and export",
  merge: "Merge a trained run into its base: a Hugging Face folder that transformers loads, or a tf.LayersModel",
  export: "Export a trained run to the format of another engine",
  push: "Push a finished run or its export to the Hugging Face Hub",
  compare:
    "Compare methods on one plan: a sweep of learning rates for each, fresh seeds at the best, a table with intervals",
  schema: "Print the JSON Schema of a plan, or write the TypeScript types of plans",
  doctor: "Show which devices this machine can train on, how fast, and what is missing; takes two seconds per device"
} as const

const command = <const Config extends Command.Command.Config, E extends { readonly message: string }, R>(
  name: keyof typeof says,
  flags: Config,
  load: () => Promise<(flags: Flags.Given<Config>) => Effect.Effect<void, E, R>>
) =>
  Command.make(name, flags, (values) => reported(Effect.flatMap(Effect.promise(load), (act) => act(values)))).pipe(
    Command.withDescription(says[name])
  )

/** Creates the commands. `methods`: description of `compare --methods`. */
const commandsWith = (methods: string) =>
  [
    command("new", Flags.newFlags, async () => (await import("./new.ts")).newProject),
    command("train", Flags.trainFlags, async () => (await import("./train.ts")).train),
    command("validate", Flags.validateFlags, async () => (await import("./validate.ts")).validate),
    command("suggest", Flags.suggestFlags, async () => (await import("./suggest.ts")).suggest),
    command("evaluate", Flags.evaluateFlags, async () => (await import("./evaluate.ts")).evaluate),
    command("judge", Flags.judgeFlags, async () => (await import("./judge.ts")).judge),
    command("predict", Flags.predictFlags, async () => (await import("./predict.ts")).predict),
    command("embed", Flags.embedFlags, async () => (await import("./embed.ts")).embed),
    command("generate", Flags.generateFlags, async () => (await import("./generate.ts")).generate),
    command("chat", Flags.chatFlags, async () => (await import("./chat.ts")).chat),
    command("serve", Flags.serveFlags, async () => (await import("./serve.ts")).serve),
    command("studio", Flags.studioFlags, async () => (await import("./studio.ts")).studio),
    command("merge", Flags.mergeFlags, async () => (await import("./export.ts")).merge),
    command("export", Flags.exportFlags, async () => (await import("./export.ts")).exportTo),
    command("push", Flags.pushFlags, async () => (await import("./push.ts")).push),
    command("compare", Flags.compareFlags(methods), async () => (await import("./compare.ts")).compare),
    command("schema", Flags.schemaFlags, async () => (await import("./schema.ts")).schema),
    command("doctor", Flags.doctorFlags, async () => (await import("./doctor.ts")).doctor)
  ] as const

/** Listed only if the text can be printed: adapters and optimizers have to be loaded for their names. */
const methodsText = async (): Promise<string> => {
  const isShown = process.argv.slice(2).some((arg) => /^(compare$|--completions|--wizard$)/.test(arg))
  if (!isShown) return ""
  const { DEFAULT_METHODS, methodNames } = await import("../compare/methods.ts")
  return `of ${methodNames.join(", ")} (default: ${DEFAULT_METHODS.join(",")})`
}

// The first signal interrupts the run, which finishes its step and saves; a later one leaves at once (files are only ever renamed
// into place, so nothing is half-written). One Ctrl-C may arrive twice, from the terminal and from the process that started this one:
// signals that come within this time are one.
const TOGETHER = 500 // milliseconds

const leaveOnSecondSignal = () => {
  let first: number | undefined
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      first ??= performance.now()
      if (performance.now() - first > TOGETHER) process.exit(130)
    })
  }
}

/**
 * Returns the message for a version of Node that is too old, or undefined. Features that an older one lacks would otherwise fail in the middle of
 * a run, without a clear message. Bun and Deno report the version of Node that they are compatible with.
 */
export const tooOldNode = (version: string): string | undefined => {
  const required = ownPackage.engines.node.replace(">=", "") // the first version, as in ">=22.19.0"
  const [major, minor] = version.split(".").map(Number) as [number, number]
  const [leastMajor, leastMinor] = required.split(".").map(Number) as [number, number]
  return major > leastMajor || (major === leastMajor && minor >= leastMinor)
    ? undefined
    : `tfjs-lora-pro needs Node ${required} or later, Bun or Deno; found Node ${version}. In Bun: bunx --bun tfjs-lora-pro`
}

const bugReport = () => import("./bug-report.ts")

/** Ends the process for exceptions outside the program's effect, too, such as in a timer or a worker. */
const leaveOnBugs = () => {
  const leave = async (thrown: unknown) => {
    const { BUG, reportBug } = await bugReport()
    reportBug(thrown)
    process.exit(BUG)
  }
  process.on("uncaughtException", leave)
  process.on("unhandledRejection", leave)
}

/** Returns the program for `process.argv`, as an effect that fails if the command does. */
export const program = (services: typeof platform) =>
  Effect.gen(function* () {
    const methods = yield* Effect.promise(methodsText)
    const console = libraryConsole()
    yield* Command.make("tfjs-lora-pro").pipe(
      Command.withDescription("LoRA-Pro fine-tuning on TensorFlow.js: plans in, Hugging Face PEFT adapters out"),
      Command.withSubcommands(commandsWith(methods)),
      Command.run({ version: ownPackage.version }),
      Effect.provideService(Console.Console, console.service)
    )
    yield* console.arrived
  }).pipe(
    Effect.provide(services),
    Effect.catchDefect((defect) =>
      Effect.flatMap(Effect.promise(bugReport), ({ endWithReport }) => endWithReport(defect))
    )
  )

/** Returns the problem of the limits in the environment, or undefined after setting them. */
const wrongLimits = (): string | undefined => {
  try {
    setLimitsFromText(process.env[LIMITS_VARIABLE] ?? "")
    return undefined
  } catch (error) {
    return `${LIMITS_VARIABLE}: ${printable((error as RangeError).message)}`
  }
}

/** A signal ends a command with 130, except a command that set exit code 0 because it is meant to be ended by a signal. */
const teardown: Runtime.Teardown = (exit, end) =>
  Runtime.defaultTeardown(exit, (code) => end(code === 130 && process.exitCode === 0 ? 0 : code))

/** Runs the program on this platform, and ends the process. */
export const main = (services: typeof platform): void => {
  const wrong = tooOldNode(process.versions.node) ?? wrongLimits()
  if (wrong !== undefined) {
    console.error(wrong)
    process.exit(1)
  }
  leaveOnSecondSignal()
  leaveOnBugs()
  watchParent()
  NodeRuntime.runMain(program(services), { teardown })
}
