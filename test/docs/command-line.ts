/**
 * Is a call of the command line one that it takes? The commands' own flags, from src/bin/flags.ts, read the words; nothing is done.
 */
import * as Console from "effect/Console"
import { Command } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import ownPackage from "../../package.json" with { type: "json" }
import * as Flags from "../../src/bin/flags.ts"
import { methodNames } from "../../src/compare/methods.ts"
import { platform } from "../../src/platform.ts"

/** `trainFlags` are those of `train`. samplingFlags are a part of others. */
const flagsOf: Readonly<Record<string, Command.Command.Config>> = {
  ...Object.fromEntries(
    Object.entries(Flags).flatMap(([name, flags]) =>
      name === "samplingFlags" || typeof flags === "function" ? [] : [[name.replace(/Flags$/, ""), flags]]
    )
  ),
  compare: Flags.compareFlags(`of ${methodNames.join(", ")}`)
}

export const commandNames: ReadonlyArray<string> = Object.keys(flagsOf)

let given: Readonly<Record<string, unknown>> = {}

const parser = Command.make("tfjs-lora-pro").pipe(
  Command.withSubcommands(
    Object.entries(flagsOf).map(([name, flags]) =>
      Command.make(name, flags, (values) => Effect.sync(() => (given = values as Readonly<Record<string, unknown>>)))
    )
  ),
  (command) => Command.runWith(command, { version: ownPackage.version })
)

/** What a command's flags make of these words, by the names of src/bin/flags.ts; or why they are refused. */
export const parsed = async (words: ReadonlyArray<string>): Promise<Result.Result<typeof given, string>> => {
  const said: Array<string> = []
  const keep = (...values: ReadonlyArray<unknown>) => void said.push(values.join(" "))
  const quiet: Console.Console = { ...globalThis.console, log: keep, error: keep }
  given = {}
  const outcome = await parser(words).pipe(
    Effect.provideService(Console.Console, quiet),
    Effect.provide(platform),
    Effect.result,
    Effect.runPromise
  )
  if (Result.isSuccess(outcome)) return Result.succeed(given)
  const errors = said.filter((text) => text.includes("ERROR"))
  return Result.fail((errors.length > 0 ? errors : said).join("\n").trim())
}
