/**
 * What distinguishes one family of post-norm encoders from another: names, the spelling of its config, the positions it counts,
 * and the head that transformers' own classification class puts on it. Everything else is shared (`encoder.ts`, `head.ts`).
 */
import type { Tensor2D } from "@tensorflow/tfjs"
import type * as Result from "effect/Result"
import type { EncoderConfig } from "./encoder-config.ts"

/** Module names of one block, relative to the backbone. */
export interface BlockNames {
  readonly query: string
  readonly key: string
  readonly value: string
  readonly attentionOutput: string
  readonly attentionNorm: string
  readonly intermediate: string
  readonly output: string
  readonly outputNorm: string
}

/** The classification head of transformers' own class: `dense`, a nonlinearity, `classifier`, over the first token's last hidden state. */
export interface PoolerNames {
  readonly dense: string
  readonly nonlinearity: "tanh" | "relu"
  readonly classifier: string
  /** true where the dense layer was pre-trained with the backbone (BERT's pooler), false where it is part of the classifier */
  readonly denseIsPretrained: boolean
  /** the modules as PEFT's `modules_to_save` lists them */
  readonly modules: ReadonlyArray<string>
}

export interface Family {
  /** `model_type` of config.json */
  readonly name: string
  /** what stands before the backbone's names in transformers' classification class */
  readonly prefix: string
  readonly decodeConfig: (json: unknown) => Result.Result<EncoderConfig, ReadonlyArray<string>>
  readonly block: (layer: number) => BlockNames
  readonly pooler: PoolerNames
  /** rows at the start of the position table that no token ever uses */
  readonly reservedPositions: (config: EncoderConfig) => number
  /** Rows of the position table for token ids [batch, length]; null: 0, 1, 2, … in every row, padding included. */
  readonly positionIds: ((inputIds: Tensor2D, config: EncoderConfig) => Tensor2D) | null
}
