/** Reads a decoder family's config.json: all that is wrong with it at once, each a sentence that names the field. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"

/** A field that may be absent or null. */
export const maybe = <S extends Schema.Constraint>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

export const Positive = Schema.Finite.check(Schema.isGreaterThan(0))

/** A config, or what is wrong with it beyond its fields one by one. */
export interface Normalized<Config> {
  readonly config: Config
  readonly problems: ReadonlyArray<string>
}

/** Decodes a family's own spelling and puts it into the common one; or all problems. */
export const configReader =
  <File, Config>(schema: Schema.Codec<File, unknown>, normalize: (file: File) => Normalized<Config>) =>
  (json: unknown): Result.Result<Config, ReadonlyArray<string>> => {
    const quantized = (json as { readonly quantization_config?: unknown } | null)?.quantization_config
    const refused =
      quantized == null
        ? []
        : ["config.json: quantization_config is set; expected a checkpoint whose weights are stored as float numbers"]
    const decoded = Schema.decodeUnknownResult(schema, { errors: "all", reportInput: true })(json)
    if (Result.isFailure(decoded)) {
      const { issues } = SchemaIssue.makeFormatterStandardSchemaV1()(decoded.failure.issue)
      const at = (path: ReadonlyArray<unknown> = []) => (path.length === 0 ? "" : `${path.map(String).join(".")}: `)
      const found = issues.map(({ path, message }) => `config.json: ${at(path)}${message}`)
      return Result.fail([...refused, ...found])
    }
    const { config, problems } = normalize(decoded.success)
    return refused.length + problems.length > 0 ? Result.fail([...refused, ...problems]) : Result.succeed(config)
  }
