/** A model for other engines: its forward pass as one function of arrays, and the files that describe inputs and outputs. */
import type { Tensor } from "@tensorflow/tfjs-core"
import type { Adapted } from "../../../adapters/index.ts"
import type { Network } from "../../models/index.ts"
import { fenced, type TokenizerUse } from "../../output/index.ts"
import type { Linear, Weights } from "../../tensors/index.ts"

/** An input array of a forward pass. */
export interface ServedInput {
  /** name in transformers: "input_ids" */
  readonly name: string
  /** dtype in the engine and in the forward pass */
  readonly stored: "int64" | "float"
  readonly dtype: "int32" | "float32"
  /** size of each axis, or its name if the size varies */
  readonly shape: ReadonlyArray<number | string>
}

export type ServedFile =
  | "config.json"
  | "tokenizer.json"
  | "tokenizer_config.json"
  | "preprocessor_config.json"
  | "generation_config.json"

export interface Served {
  /** model whose parameters are written, with its adapter */
  readonly adapted: Adapted<Network>
  /** folder of the base model; null if all files are in `files` */
  readonly base: string | null
  /** outputs of the tokenizer that the model requires */
  readonly tokenizer: TokenizerUse
  /** pipeline task in transformers: "text-classification" */
  readonly task: string
  readonly inputs: ReadonlyArray<ServedInput>
  /**
   * Two values of each varying size, with which the pass is traced. Both must identify every size that the pass derives from them
   * (products, and sums along an axis): primes do.
   */
  readonly axes: Readonly<Record<string, readonly [number, number]>>
  /** Forward pass over arrays by transformers' names. Tensor code. */
  readonly forward: (
    inputs: Readonly<Record<string, Tensor>>,
    linear: Linear,
    weights: Weights
  ) => Readonly<Record<string, Tensor>>
  /** fields of config.json that replace the base's; undefined removes a field that is wrong for this model */
  readonly config: Readonly<Record<string, unknown>>
  /** additional JSON files: fields that replace those of the base's file of that name */
  readonly files: { readonly [File in ServedFile]?: Readonly<Record<string, unknown>> }
  /** JavaScript that uses the folder, and notes, as lines of Markdown */
  readonly usage: ReadonlyArray<string>
}

/** Why an encoder-decoder is not exported, as the end of a sentence that begins with the run's place. */
export const WRITES_TOKENS =
  "is an encoder-decoder, which needs two graphs and a cache, and this export does not support them: use --format huggingface and convert the folder with optimum"

/** Returns a script for transformers.js that uses the folder. */
export const script = (imported: string, lines: ReadonlyArray<string>): string =>
  fenced("js", [
    `import { env, ${imported} } from "@huggingface/transformers"`,
    "",
    "env.allowRemoteModels = false",
    'env.localModelPath = "path/above/this/folder/"',
    ...lines
  ])
