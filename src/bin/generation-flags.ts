/** What `generate` and `chat` are asked alike: the model, and how tokens are chosen. */
import { Argument, Flag } from "effect/cli"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { type Adapted, injectSelected } from "../../adapters/index.ts"
import type { GenerateOptions } from "../generation/index.ts"
import type { Writing } from "../kinds/index.ts"
import type { CausalModel } from "../models/causal/index.ts"
import { openCausalModel } from "../models/causal/open-causal.ts"
import { loadCausalRun } from "../trained/index.ts"
import { deviceFlag, threadsFlag } from "./device-flags.ts"
import { baseFlag } from "./predict.ts"

const count = (name: string) =>
  Flag.Int(name).pipe(
    Flag.filter(
      (n) => n >= 1,
      () => "an integer of at least 1"
    )
  )

const number = (name: string, allowed: (n: number) => boolean, what: string) =>
  Flag.Finite(name).pipe(Flag.filter(allowed, () => what))

export const modelArgument = Argument.String("model").pipe(
  Argument.withMetavar("RUN|MODEL"),
  Argument.withDescription("Run folder, Hugging Face folder, .gguf file or hf:owner/name")
)

export const maxTokensFlag = count("max-tokens").pipe(
  Flag.withDescription("tokens of a text at most"),
  Flag.withDefault(128)
)

export const generationFlags = {
  maxTokens: maxTokensFlag,
  temperature: number("temperature", (n) => n >= 0, "a number of at least 0").pipe(
    Flag.withDescription("0: always the most probable token"),
    Flag.withDefault(0)
  ),
  topK: count("top-k").pipe(Flag.withDescription("choose of the k most probable tokens"), Flag.optional),
  topP: number("top-p", (n) => n > 0 && n <= 1, "a number above 0 and at most 1").pipe(
    Flag.withDescription("choose of the most probable tokens that have this probability together"),
    Flag.withDefault(1)
  ),
  repetitionPenalty: number("repetition-penalty", (n) => n > 0, "a number above 0").pipe(
    Flag.withDescription("above 1: tokens that have been there become less probable"),
    Flag.withDefault(1)
  ),
  seed: Flag.Int("seed").pipe(Flag.withDescription("of the choice, at a temperature above 0"), Flag.withDefault(0)),
  stop: Flag.String("stop").pipe(
    Flag.withMetavar("STR"),
    Flag.withDescription("end a text before this string; may be repeated"),
    Flag.atLeast(0)
  ),
  baseOnly: Flag.Boolean("base-only").pipe(
    Flag.withDescription("the base model alone, without what the run trained"),
    Flag.withDefault(false)
  ),
  base: baseFlag,
  device: deviceFlag,
  threads: threadsFlag
}

interface Given {
  readonly maxTokens: number
  readonly temperature: number
  readonly topK: Option.Option<number>
  readonly topP: number
  readonly repetitionPenalty: number
  readonly seed: number
  readonly stop: ReadonlyArray<string>
  readonly baseOnly: boolean
}

export const optionsOf = (given: Given): GenerateOptions => ({
  maxNewTokens: given.maxTokens,
  temperature: given.temperature,
  topK: Option.getOrNull(given.topK),
  topP: given.topP,
  repetitionPenalty: given.repetitionPenalty,
  seed: given.seed,
  stop: given.stop,
  base: given.baseOnly
})

/** The model of a run with what was trained, or a model as it is. */
export const openWriting = (source: string, base: Option.Option<string>) =>
  Effect.gen(function* () {
    if (yield* isRun(source)) {
      const run: Writing = yield* loadCausalRun(source, { base: Option.getOrUndefined(base) })
      return run
    }
    const model = yield* openCausalModel(source)
    const adapted: Adapted<CausalModel> = yield* injectSelected<object, CausalModel>(
      model,
      null,
      { sites: [], parameters: [] },
      0
    )
    const plain: Writing = { adapted, chat: false, system: undefined }
    return plain
  })

/** A run has a plan, a model has none. */
const isRun = (source: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    return yield* fs.exists(path.join(source, "plan.json")).pipe(Effect.orElseSucceed(() => false))
  })
