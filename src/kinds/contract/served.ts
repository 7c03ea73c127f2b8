/** How another engine runs a model: its forward pass as one function of arrays, and the files that say what goes in and what comes out. */
import type { Tensor } from "@tensorflow/tfjs-core"
import type { Adapted } from "../../../adapters/index.ts"
import type { Network } from "../../models/index.ts"
import { fenced, type TokenizerUse } from "../../output/index.ts"
import type { Linear, Weights } from "../../tensors/index.ts"

/** An array that goes in. */
export interface ServedInput {
  /** transformers' name */
  readonly name: string
  /** as the engine has it, and as the forward pass takes it */
  readonly stored: "int64" | "float"
  readonly dtype: "int32" | "float32"
  /** a name where the size varies */
  readonly shape: ReadonlyArray<number | string>
}

export type ServedFile =
  | "config.json"
  | "tokenizer.json"
  | "tokenizer_config.json"
  | "preprocessor_config.json"
  | "generation_config.json"

export interface Served {
  /** whose parameters are written, with what was trained */
  readonly adapted: Adapted<Network>
  /** folder of the base model; null if all files are in `files` */
  readonly base: string | null
  /** outputs of the tokenizer that the model requires */
  readonly tokenizer: TokenizerUse
  /** pipeline task in transformers: "text-classification" */
  readonly task: string
  readonly inputs: ReadonlyArray<ServedInput>
  /**
   * Two values of each size that varies, at which the pass is looked at. Whatever sizes it makes of them (products, and where an axis is the sum
   * of others that axis) has to be readable from both: primes do.
   */
  readonly axes: Readonly<Record<string, readonly [number, number]>>
  /** Tensor code: arrays by transformers' names. */
  readonly forward: (
    inputs: Readonly<Record<string, Tensor>>,
    linear: Linear,
    weights: Weights
  ) => Readonly<Record<string, Tensor>>
  /** what config.json says that the base's does not; undefined: what the base's says of it is untrue here */
  readonly config: Readonly<Record<string, unknown>>
  /** further files of JSON: what the base's of that name say, and this */
  readonly files: { readonly [File in ServedFile]?: Readonly<Record<string, unknown>> }
  /** JavaScript that uses the folder, and what is to be said of it: lines of Markdown */
  readonly usage: ReadonlyArray<string>
}

/** Why an encoder with a decoder is not served: the end of a sentence that begins with the run's place. */
export const WRITES_TOKENS =
  "is an encoder-decoder, which needs two graphs and a cache, and this export does not support them: use --format huggingface and convert the folder with optimum"

/** A script of transformers.js over the folder. */
export const script = (imported: string, lines: ReadonlyArray<string>): string =>
  fenced("js", [
    `import { env, ${imported} } from "@huggingface/transformers"`,
    "",
    "env.allowRemoteModels = false",
    'env.localModelPath = "path/above/this/folder/"',
    ...lines
  ])
