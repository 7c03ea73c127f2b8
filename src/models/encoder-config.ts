/**
 * What a `config.json` says about an encoder, in one spelling for all families. Everything that changes the forward pass is read
 * or refused; dropout is read by nobody, for the base runs in evaluation mode.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"

/** The feed-forward nonlinearity, by transformers' names. */
export const activations = {
  gelu: "erf",
  gelu_new: "tanh",
  gelu_pytorch_tanh: "tanh",
  relu: "relu"
} as const
export type Activation = (typeof activations)[keyof typeof activations]

export interface EncoderConfig {
  readonly hiddenSize: number
  readonly layers: number
  readonly attentionHeads: number
  readonly intermediateSize: number
  readonly vocabularySize: number
  /** rows of the position table */
  readonly positions: number
  /** rows of the token-type table; 0: the family has none */
  readonly tokenTypes: number
  readonly layerNormEpsilon: number
  readonly activation: Activation
  readonly padId: number
  /** class names by index, empty if the checkpoint has none */
  readonly labels: ReadonlyArray<string>
}

/** Fields that families build their schema of config.json from. */
export const Count = Schema.Int.check(Schema.isGreaterThan(0))
/** Every layer is a dozen parameters by name, so a file that asks for a billion is refused before they are listed. */
export const Layers = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 }))
export const ActivationName = Schema.Literals(["gelu", "gelu_new", "gelu_pytorch_tanh", "relu"])
export const Labels = Schema.Record(Schema.String, Schema.String)

/** `id2label` has strings for keys, in any order. */
export const labelsInOrder = (id2label: Readonly<Record<string, string>> | undefined): ReadonlyArray<string> =>
  Object.entries(id2label ?? {})
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, label]) => label)

/** A decoder of config.json: the family's own spelling, then the common one; or every problem. */
export const configDecoder =
  <File>(schema: Schema.Codec<File, unknown>, normalize: (file: File) => EncoderConfig) =>
  (json: unknown): Result.Result<EncoderConfig, ReadonlyArray<string>> => {
    const decoded = Schema.decodeUnknownResult(schema, { errors: "all", reportInput: true })(json)
    if (Result.isFailure(decoded)) {
      const { issues } = SchemaIssue.makeFormatterStandardSchemaV1()(decoded.failure.issue)
      return Result.fail(
        issues.map(({ path, message }) => `config.json: ${(path ?? []).map(String).join(".")}: ${message}`)
      )
    }
    const config = normalize(decoded.success)
    const { hiddenSize, attentionHeads } = config
    return hiddenSize % attentionHeads === 0
      ? Result.succeed(config)
      : Result.fail([
          `config.json: hidden size ${hiddenSize} is not a multiple of its ${attentionHeads} attention heads`
        ])
  }
