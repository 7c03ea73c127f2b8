#!/usr/bin/env bun
/** The command line: argv to effects, results to text, failures to exit codes. Nothing else happens here. */
import * as NodeRuntime from "@effect/platform-node-shared/NodeRuntime"
import { Command } from "effect/cli"
import * as Effect from "effect/Effect"
import ownPackage from "../../package.json" with { type: "json" }
import { platform } from "../platform.ts"
import { evaluateCommand } from "./evaluate.ts"
import { predictCommand } from "./predict.ts"
import { schemaCommand } from "./schema.ts"
import { trainCommand } from "./train.ts"
import { validateCommand } from "./validate.ts"

Command.make("tfjs-lora-pro").pipe(
  Command.withDescription("LoRA-Pro fine-tuning on TensorFlow.js: plans in, Hugging Face PEFT adapters out"),
  Command.withSubcommands([trainCommand, validateCommand, evaluateCommand, predictCommand, schemaCommand]),
  Command.run({ version: ownPackage.version }),
  Effect.provide(platform),
  NodeRuntime.runMain
)
