/**
 * Reads a model's config.json: the fields that families build their schemas from, and a reader that reports everything that is wrong at
 * once, each problem a sentence that names its field. Whatever changes the forward pass is read or refused. Dropout is not read, because
 * the base runs in evaluation mode.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"

/** An integer of at least 1. */
export const Count = Schema.Int.check(Schema.isGreaterThan(0))
/** Number of layers, from 1 to 1,000: since a layer has a dozen named parameters, a file with a billion layers is rejected before they are listed. */
export const Layers = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 }))
/** Epsilon that a norm adds to the variance, from 0 to 1; a negative value could produce NaN. */
export const Epsilon = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
/** A finite number above 0. */
export const Positive = Schema.Finite.check(Schema.isGreaterThan(0))

/** Makes a field optional and nullable. */
export const maybe = <S extends Schema.Constraint>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

/** Makes a field optional, with transformers' default. */
export const withDefault = <S extends Schema.Top>(schema: S, value: S["Encoded"]) =>
  schema.pipe(Schema.withDecodingDefaultKey(Effect.succeed(value)))

/** Activations of the feed-forward part, by transformers' names. */
export const activations = {
  gelu: "erf",
  gelu_new: "tanh",
  gelu_pytorch_tanh: "tanh",
  quick_gelu: "quick",
  relu: "relu"
} as const

/** An activation of the feed-forward part. */
export type Activation = (typeof activations)[keyof typeof activations]
/** Name of an activation, as in transformers' configs. */
export const ActivationName = Schema.Literals(["gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu"])

/** Problems of a config, a sentence each. */
export type Problems = ReadonlyArray<string>

/** A config, and the problems that involve several of its fields. */
export interface Normalized<Config> {
  readonly config: Config
  readonly problems: Problems
}

/** Creates a reader that decodes a family's spelling and then normalizes it. */
export const configReader =
  <File, Config>(schema: Schema.Codec<File, unknown>, normalize: (file: File) => Normalized<Config>) =>
  (json: unknown): Result.Result<Config, Problems> => {
    const decoded = Schema.decodeUnknownResult(schema, { errors: "all", reportInput: true })(json)
    if (Result.isFailure(decoded)) {
      const { issues } = SchemaIssue.makeFormatterStandardSchemaV1()(decoded.failure.issue)
      const at = (path: ReadonlyArray<unknown> = []) => (path.length === 0 ? "" : `${path.map(String).join(".")}: `)
      return Result.fail(issues.map(({ path, message }) => `config.json: ${at(path)}${message}`))
    }
    const { config, problems } = normalize(decoded.success)
    return problems.length > 0 ? Result.fail(problems) : Result.succeed(config)
  }

const QUANTIZED =
  "config.json: quantization_config is set; expected a checkpoint whose weights are stored as float numbers"

/** Creates a reader that also rejects quantized checkpoints. */
export const decoderConfigReader: typeof configReader = (schema, normalize) => (json) => {
  const quantized = (json as { readonly quantization_config?: unknown } | null)?.quantization_config
  const read = configReader(schema, normalize)(json)
  return quantized == null ? read : Result.fail([QUANTIZED, ...(Result.isFailure(read) ? read.failure : [])])
}
