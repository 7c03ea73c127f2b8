/**
 * The config.json of a CLIPModel. What a file leaves out is transformers' default. Older files have `text_config_dict` and
 * `vision_config_dict` beside the two parts; where they are not null they alone count, with defaults for what they leave out.
 *
 * @see transformers `CLIPConfig`
 */
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import {
  ActivationName,
  activations,
  Count,
  configReader,
  Epsilon,
  Layers,
  maybe,
  type Problems,
  withDefault
} from "../config-reader.ts"
import type { TowerSizes } from "./image-family.ts"

const TextPart = Schema.Struct({
  vocab_size: withDefault(Count, 49_408),
  hidden_size: withDefault(Count, 512),
  intermediate_size: withDefault(Count, 2_048),
  num_hidden_layers: withDefault(Layers, 12),
  num_attention_heads: withDefault(Count, 8),
  max_position_embeddings: withDefault(Count, 77),
  hidden_act: withDefault(ActivationName, "quick_gelu"),
  layer_norm_eps: withDefault(Epsilon, 1e-5),
  eos_token_id: withDefault(Schema.Int, 49_407)
})

const ClipFile = Schema.Struct({
  projection_dim: withDefault(Count, 512),
  text_config: maybe(TextPart),
  text_config_dict: maybe(TextPart)
})

/** Settings of CLIP's text tower. */
export interface ClipTextConfig extends TowerSizes {
  readonly layers: number
  readonly vocabularySize: number
  /** maximum number of tokens in a text */
  readonly positions: number
  /** id of the token whose first occurrence gives the text's embedding; null: the highest id in the text */
  readonly endOfText: number | null
  /** width of the embeddings that compare texts and images */
  readonly projection: number
}

/** The id in files from before transformers knew which token ends a text. */
const UNKNOWN_END = 2

/** Reads the text settings of a CLIPModel's config.json, including the projection. */
export const readClipText: (json: unknown) => Result.Result<ClipTextConfig, Problems> = configReader(
  ClipFile,
  ({ projection_dim: projection, text_config, text_config_dict }) => {
    const part = text_config_dict ?? text_config ?? Schema.decodeUnknownSync(TextPart)({})
    const { hidden_size: hiddenSize, num_attention_heads: attentionHeads, eos_token_id: end } = part
    const config: ClipTextConfig = {
      hiddenSize,
      attentionHeads,
      intermediateSize: part.intermediate_size,
      normEpsilon: part.layer_norm_eps,
      activation: activations[part.hidden_act],
      layers: part.num_hidden_layers,
      vocabularySize: part.vocab_size,
      positions: part.max_position_embeddings,
      endOfText: end === UNKNOWN_END ? null : end,
      projection
    }
    const problem = `config.json: text_config.hidden_size ${hiddenSize} is not a multiple of its ${attentionHeads} attention heads`
    return { config, problems: hiddenSize % attentionHeads === 0 ? [] : [problem] }
  }
)
