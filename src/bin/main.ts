/** The command line: argv to effects, results to text, failures to exit codes. Nothing else happens here. */
import * as NodeRuntime from "@effect/platform-node-shared/NodeRuntime"
import { Command } from "effect/cli"
import * as Effect from "effect/Effect"
import ownPackage from "../../package.json" with { type: "json" }
import { watchParent } from "../compare/parent-watch.ts"
import type { platform } from "../platform.ts"
import { chatCommand } from "./chat.ts"
import { compareCommand } from "./compare.ts"
import { doctorCommand } from "./doctor.ts"
import { evaluateCommand } from "./evaluate.ts"
import { generateCommand } from "./generate.ts"
import { mergeCommand } from "./merge.ts"
import { tooOldNode } from "./node-version.ts"
import { predictCommand } from "./predict.ts"
import { schemaCommand } from "./schema.ts"
import { suggestCommand } from "./suggest.ts"
import { trainCommand } from "./train.ts"
import { validateCommand } from "./validate.ts"

// The first signal interrupts the run, which finishes its step and saves; a later one leaves at once (files are only ever renamed
// into place, so nothing is half-written). One Ctrl-C may arrive twice, from the terminal and from whoever started this process:
// what comes together is one.
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

/** Runs the program with this platform, and ends the process. */
export const main = (services: typeof platform): void => {
  const tooOld = tooOldNode(process.versions.node)
  if (tooOld !== undefined) {
    console.error(tooOld)
    process.exit(1)
  }
  leaveOnSecondSignal()
  watchParent()
  Command.make("tfjs-lora-pro").pipe(
    Command.withDescription("LoRA-Pro fine-tuning on TensorFlow.js: plans in, Hugging Face PEFT adapters out"),
    Command.withSubcommands([
      trainCommand,
      validateCommand,
      suggestCommand,
      evaluateCommand,
      predictCommand,
      generateCommand,
      chatCommand,
      mergeCommand,
      compareCommand,
      schemaCommand,
      doctorCommand
    ]),
    Command.run({ version: ownPackage.version }),
    Effect.provide(services),
    NodeRuntime.runMain
  )
}
