/**
 * What distinguishes one family of post-norm encoders from another: its parameters' names, how its config is spelled, how it counts
 * positions, and the head that transformers' own classification class puts on it. Everything else is shared (`encoder.ts`, `head.ts`).
 */
import type { Tensor2D } from "@tensorflow/tfjs"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type Activation, configReader } from "./config-reader.ts"

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
interface PoolerNames {
  readonly dense: string
  readonly nonlinearity: "tanh" | "relu"
  readonly classifier: string
  /** true where the dense layer was pre-trained with the backbone (BERT's pooler), false where it is part of the classifier */
  readonly denseIsPretrained: boolean
  /** the modules as PEFT's `modules_to_save` lists them */
  readonly modules: ReadonlyArray<string>
}

/** A family of encoders: how its config.json is read, and what its parameters are called. */
export interface Family {
  /** `model_type` of config.json */
  readonly name: string
  /** beginning of transformers' class names: "Bert" of `BertModel` and `BertForSequenceClassification` */
  readonly className: string
  /** prefix of the backbone's names in transformers' classification class */
  readonly prefix: string
  /** A config.json, or all that is wrong with it. */
  readonly decodeConfig: (json: unknown) => Result.Result<EncoderConfig, ReadonlyArray<string>>
  /** Names of a block's modules; blocks are counted from 0. */
  readonly block: (layer: number) => BlockNames
  /** names of the modules of a classification head over the first token */
  readonly pooler: PoolerNames
  /** rows at the start of the position table that no token ever uses */
  readonly reservedPositions: (config: EncoderConfig) => number
  /** Rows of the position table for token ids [batch, length]; null: 0, 1, 2, … in every row, padding included. */
  readonly positionIds: ((inputIds: Tensor2D, config: EncoderConfig) => Tensor2D) | null
}

/** What a config.json says about an encoder, in one spelling for all families. */
export interface EncoderConfig {
  /** numbers of a hidden state */
  readonly hiddenSize: number
  /** blocks */
  readonly layers: number
  /** heads of each attention */
  readonly attentionHeads: number
  /** numbers inside the feed-forward part */
  readonly intermediateSize: number
  /** tokens */
  readonly vocabularySize: number
  /** rows of the position table */
  readonly positions: number
  /** rows of the token-type table; 0: the family has none */
  readonly tokenTypes: number
  /** ε of the layer norms */
  readonly layerNormEpsilon: number
  /** of the feed-forward part */
  readonly activation: Activation
  /** the token of padding */
  readonly padId: number
  /** class names by index, empty if the checkpoint has none */
  readonly labels: ReadonlyArray<string>
}

export const Labels = Schema.Record(Schema.String, Schema.String)

/** A list of that many names is made, so a config that asks for a billion is refused. */
export const Classes = Schema.optionalKey(
  Schema.NullOr(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 })))
)

/** transformers' names of classes that have none. */
export const namedByNumber = (classes: number): ReadonlyArray<string> =>
  Array.from({ length: classes }, (_, i) => `LABEL_${i}`)

/** The names in `id2label`, which has strings for keys, in any order; without it those of `num_labels`. */
export const labelsInOrder = ({
  id2label,
  num_labels
}: {
  readonly id2label?: Readonly<Record<string, string>> | null
  readonly num_labels?: number | null
}): ReadonlyArray<string> =>
  id2label == null
    ? namedByNumber(num_labels ?? 0)
    : Object.entries(id2label)
        .sort(([a], [b]) => Number(a) - Number(b))
        .map(([, label]) => label)

/** Reads config.json by a family's schema, whose fields `normalize` puts into the common spelling. */
export const encoderConfigReader = <File>(
  schema: Schema.Codec<File, unknown>,
  normalize: (file: File) => EncoderConfig
): Family["decodeConfig"] =>
  configReader(schema, (file) => {
    const config = normalize(file)
    const { hiddenSize, attentionHeads } = config
    const problem = `config.json: hidden size ${hiddenSize} is not a multiple of its ${attentionHeads} attention heads`
    return { config, problems: hiddenSize % attentionHeads === 0 ? [] : [problem] }
  })
