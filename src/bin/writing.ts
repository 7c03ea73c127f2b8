/** Opens the input of `generate` and `chat`: the generating model, its sampling options, and the constraints on its answers. */

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { type Adapted, unadapted } from "../../adapters/index.ts"
import { cut } from "../boundary/index.ts"
import { type ToolUse, toolUse } from "../calls/index.ts"
import { type Constraint, constraintOf } from "../constraint/index.ts"
import { type ToolCall, toolsIn } from "../data/causal/index.ts"
import { isThere, readJsonFile } from "../files/index.ts"
import type { GenerateOptions } from "../generation/index.ts"
import { openWriter as openWriterOf, type WriteOptions, type Writing } from "../kinds/index.ts"
import { type CausalModel, openCausalModel } from "../models/causal/index.ts"
import type { CausalTokenizer } from "../tensors/index.ts"
import { isAdapter, loadCausalRun, loadTrained, writingRun } from "../trained/index.ts"
import type { Given, samplingFlags } from "./flags.ts"
import { userError } from "./output.ts"

export const optionsOf = (flags: Given<typeof samplingFlags>): GenerateOptions => ({
  maxNewTokens: flags.maxTokens,
  temperature: flags.temperature,
  topK: Option.getOrNull(flags.topK),
  topP: flags.topP,
  repetitionPenalty: flags.repetitionPenalty,
  seed: flags.seed,
  stop: flags.stop,
  base: flags.baseOnly
})

/** Opens the model of a run with its adapter, or a base model. */
export const openWriting = (source: string, base: Option.Option<string>) =>
  Effect.gen(function* () {
    if (yield* isTrained(source, base)) {
      const run: Writing = yield* loadCausalRun(source, { base: Option.getOrUndefined(base) })
      return run
    }
    const model = yield* openCausalModel(source, { weights: "file" })
    const adapted: Adapted<CausalModel> = yield* unadapted(model)
    const plain: Writing = { adapted, chat: false, system: undefined }
    return plain
  })

/** Opens the model of a run with its adapter, a base model, or a model that generates a text from each input text. */
export const openWriter = (source: string, base: Option.Option<string>) =>
  Effect.gen(function* () {
    if (!(yield* isTrained(source, base))) return (yield* openWriterOf(source)) ?? (yield* openWriting(source, base))
    const run = yield* loadTrained(source, { base: Option.getOrUndefined(base) })
    const { kind, adapted, plan } = run
    if (kind.write === undefined) return yield* writingRun(source, run)
    return {
      batchSize: plan.training.evaluateBatchSize,
      write: (texts: ReadonlyArray<string>, options: WriteOptions) => kind.write!(adapted, plan, texts, options)
    }
  })

/** A model that generates a text from each input text, several at a time. */
export type Writer = Exclude<Effect.Success<ReturnType<typeof openWriter>>, Writing>

const isTrained = (source: string, base: Option.Option<string>) =>
  Effect.flatMap(isRun(source), (run) => (run ? Effect.succeed(true) : isAdapterOver(source, base)))

/** Returns whether a source is an adapter: a Hub repository is one if a base is given, and a model otherwise. */
const isAdapterOver = (source: string, base: Option.Option<string>) =>
  /^hf:/.test(source) ? Effect.succeed(Option.isSome(base)) : isAdapter(source)

/** Returns whether a source is a run: a run has a plan, a model has none. */
const isRun = (source: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    return yield* isThere(path.join(source, "plan.json"))
  })

/** Returns the tools in a file, for a model with this tokenizer; undefined: no file was given. */
export const toolsOf = (file: Option.Option<string>, tokenizer: CausalTokenizer) =>
  Effect.gen(function* () {
    if (Option.isNone(file)) return undefined
    const tools = toolsIn(yield* readJsonFile(file.value), "tools")
    if ("broken" in tools) return yield* userError(`${file.value}: ${tools.broken}`)
    if (tools.length === 0) return yield* userError(`${file.value}: found an empty list; expected at least one tool`)
    const use: ToolUse | { readonly broken: string } = toolUse(tokenizer, tools)
    return "broken" in use ? yield* userError(`--tools: ${use.broken}`) : use
  })

/** Returns a constraint to the JSON Schema in a file; undefined: no file was given. */
export const schemaConstraint = (file: Option.Option<string>, tokenizer: CausalTokenizer) =>
  Effect.gen(function* () {
    if (Option.isNone(file)) return undefined
    const schema = yield* readJsonFile(file.value)
    const constraint: Constraint | { readonly broken: ReadonlyArray<string> } = constraintOf(
      { kind: "json", schema },
      tokenizer
    )
    if ("broken" in constraint)
      return yield* userError(constraint.broken.map((problem) => `${file.value}: ${problem}`).join("\n"))
    return constraint
  })

/** Formats a call as a line: `set_light {"room": "kitchen"}`. */
export const callLine = ({ name, arguments: callArguments }: ToolCall): string =>
  `→ ${name} ${JSON.stringify(callArguments)}\n`

/** Maximum characters of an answer to print. */
const LINE = 160

/** Formats an answer as a line, shortened if it is long. */
export const oneLine = (text: string): string => cut(text.trim().replaceAll(/\s*\n\s*/g, " ↵ "), LINE)
