/**
 * Reads a model's config.json: the fields that families build their schemas from, and a reader that reports everything that is wrong at
 * once, each problem a sentence that names its field. Whatever changes the forward pass is read or refused. Dropout is not read, because
 * the base runs in evaluation mode.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"

export const Count = Schema.Int.check(Schema.isGreaterThan(0))
/** A layer has a dozen named parameters, so a file that asks for a billion layers is refused before they are listed. */
export const Layers = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 }))
/** Epsilon that a norm adds to the variance, from 0 to 1; a negative value could produce NaN. */
export const Epsilon = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
export const Positive = Schema.Finite.check(Schema.isGreaterThan(0))

/** A field that may be absent or null. */
export const maybe = <S extends Schema.Constraint>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

/** A field that may be absent, with transformers' default. */
export const withDefault = <S extends Schema.Top>(schema: S, value: S["Encoded"]) =>
  schema.pipe(Schema.withDecodingDefaultKey(Effect.succeed(value)))

/** The feed-forward nonlinearity, by transformers' names. */
export const activations = {
  gelu: "erf",
  gelu_new: "tanh",
  gelu_pytorch_tanh: "tanh",
  quick_gelu: "quick",
  relu: "relu"
} as const
export type Activation = (typeof activations)[keyof typeof activations]
export const ActivationName = Schema.Literals(["gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu"])

export type Problems = ReadonlyArray<string>

/** A config, and problems that no single field shows. */
export interface Normalized<Config> {
  readonly config: Config
  readonly problems: Problems
}

/** A reader that decodes a family's own spelling and then normalizes it. */
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

/** A reader that also refuses quantized checkpoints. */
export const decoderConfigReader: typeof configReader = (schema, normalize) => (json) => {
  const quantized = (json as { readonly quantization_config?: unknown } | null)?.quantization_config
  const read = configReader(schema, normalize)(json)
  return quantized == null ? read : Result.fail([QUANTIZED, ...(Result.isFailure(read) ? read.failure : [])])
}
