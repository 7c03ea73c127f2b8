/**
 * Typed answers: generates a text that a schema allows and decodes it. The schema is converted to JSON Schema and compiled to a constraint;
 * what JSON Schema cannot express is checked by the schema itself afterwards.
 *
 * @example
 * import { Console, Effect, Schema } from "effect"
 * import type { Adapted } from "tfjs-lora-pro/adapters"
 * import { generateAs } from "tfjs-lora-pro/generation"
 * import type { Causal } from "tfjs-lora-pro/models"
 *
 * const Person = Schema.Struct({
 *   name: Schema.String.check(Schema.isMaxLength(40)),
 *   age: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 120 }))
 * })
 *
 * const asked = (adapted: Adapted<Causal.CausalModel>) =>
 *   Effect.gen(function* () {
 *     const { name, age } = yield* generateAs(adapted, "Ada Lovelace, 36, as JSON: ", Person)
 *     yield* Console.log(`${name} is ${age}`)
 *   })
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Adapted } from "../../adapters/index.ts"
import { cut, messageOf } from "../boundary/index.ts"
import { type Constraint, constraintOf } from "../constraint/index.ts"
import type { Device } from "../device/device.ts"
import type { DeviceError } from "../device/index.ts"
import type { CausalModel } from "../models/causal/index.ts"
import type { CausalTokenizer, DeviceReadError } from "../tensors/index.ts"
import { type GenerationEnd, generate } from "./generate.ts"
import { type GenerateOptions, GenerationError, type Prompt } from "./options.ts"

/** A schema of any library that implements Standard Schema and can export JSON Schema (Zod, ArkType). */
export interface StandardJsonSchema<Output> {
  /** Standard Schema's interface, with its JSON Schema extension */
  readonly "~standard": {
    /** the library's name */
    readonly vendor: string
    /** Returns the decoded value, or the issues found. */
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    /** exports the schema as JSON Schema */
    readonly jsonSchema: {
      /** Returns the JSON Schema of input values, before decoding. */
      readonly input: (options: {
        /** JSON Schema dialect */
        readonly target: "draft-2020-12"
      }) => unknown
    }
  }
}

/** Result of a Standard Schema's validation. */
export type StandardResult<Output> =
  | {
      /** decoded value */
      readonly value: Output
      /** absent: the value is valid */
      readonly issues?: undefined
    }
  | {
      /** issues, at least one */
      readonly issues: ReadonlyArray<{
        /** problem, in the library's words */
        readonly message: string
        /** keys and indices that lead to the value; absent: the whole value */
        readonly path?: ReadonlyArray<unknown> | undefined
      }>
    }

/** Error of a generated text that is not a value of the schema. */
export class SchemaAnswerError extends Schema.TaggedError<SchemaAnswerError>()("SchemaAnswerError", {
  /** "unfinished": the token limit or a stop string was reached; "invalid": the text fails a check that JSON Schema cannot express */
  reason: Schema.Literals(["unfinished", "invalid"]),
  /** text generated so far */
  text: Schema.String,
  /** problem of the text */
  problem: Schema.String
}) {
  override get message() {
    return `${this.problem}: ${cut(this.text)}`
  }
}

/** Options of `generate`, except those that would change the text that the schema needs. */
export type GenerateAsOptions = Omit<GenerateOptions, "constraint" | "special">

type EffectSchema<Output> = Schema.ConstraintDecoder<Output>

interface Answers<Output> {
  readonly jsonSchema: unknown
  readonly decode: (value: unknown) => Effect.Effect<Output, string>
}

const effectAnswers = <Output>(schema: EffectSchema<Output>): Answers<Output> => {
  // other keys would only be dropped
  const { schema: root, definitions } = Schema.toJsonSchemaDocument(schema, { onExcessProperty: "error" })
  const decode = Schema.decodeUnknownEffect(Schema.toCodecJson(schema))
  return {
    jsonSchema: { ...root, $defs: definitions },
    decode: (value) => decode(value, { errors: "all" }).pipe(Effect.mapError(messageOf))
  }
}

const standardAnswers = <Output>({ "~standard": standard }: StandardJsonSchema<Output>): Answers<Output> => ({
  jsonSchema: standard.jsonSchema.input({ target: "draft-2020-12" }),
  decode: (value) =>
    Effect.gen(function* () {
      const result = yield* Effect.tryPromise({
        try: async () => standard.validate(value),
        catch: messageOf
      })
      if (result.issues === undefined) return result.value
      const sentences = result.issues.map(({ message, path = [] }) => {
        const keys = path.map((key) => (typeof key === "object" && key !== null && "key" in key ? key.key : key))
        return keys.length === 0 ? message : `${keys.map(String).join(".")}: ${message}`
      })
      return yield* Effect.fail(sentences.join("; "))
    })
})

interface Made {
  readonly constraint: Constraint
  readonly decode: Answers<unknown>["decode"]
}

const compiled = new WeakMap<CausalTokenizer, WeakMap<object, Made>>()

/** The constraint of a schema, once for each tokenizer. */
const madeOf = (schema: object, tokenizer: CausalTokenizer): Effect.Effect<Made, GenerationError> =>
  Effect.gen(function* () {
    const ofTokenizer = compiled.get(tokenizer) ?? new WeakMap<object, Made>()
    compiled.set(tokenizer, ofTokenizer)
    const cached = ofTokenizer.get(schema)
    if (cached !== undefined) return cached
    const { jsonSchema, decode } = yield* Effect.try({
      try: (): Answers<unknown> =>
        Schema.isSchema(schema)
          ? effectAnswers(schema as never)
          : standardAnswers(schema as StandardJsonSchema<unknown>),
      catch: (cause) =>
        new GenerationError({ problems: [`the schema cannot be written as JSON Schema: ${messageOf(cause)}`] })
    })
    const constraint = constraintOf({ kind: "json", schema: jsonSchema }, tokenizer)
    if ("broken" in constraint) {
      return yield* new GenerationError({ problems: constraint.broken.map((problem) => `schema: ${problem}`) })
    }
    const fresh = { constraint, decode }
    ofTokenizer.set(schema, fresh)
    return fresh
  })

/**
 * Generates JSON that the schema allows and decodes it. Fails with a `GenerationError` before the first token if the schema uses unsupported
 * features, and with a `SchemaAnswerError` if the text was cut off or fails the schema's own checks.
 */
export const generateAs = <Output>(
  adapted: Adapted<CausalModel>,
  prompt: Prompt,
  schema: EffectSchema<Output> | StandardJsonSchema<Output>,
  options: GenerateAsOptions = {}
): Effect.Effect<Output, GenerationError | SchemaAnswerError | DeviceReadError | DeviceError, Device> =>
  Effect.gen(function* () {
    const { constraint, decode } = yield* madeOf(schema, adapted.model.tokenizer)
    const events = yield* Stream.runCollect(generate(adapted, [prompt], { ...options, constraint }))
    const { text, finish } = events.find((event): event is GenerationEnd => event.kind === "end")!
    if (finish !== "eos") {
      const why = finish === "stop" ? "it reached a stop string" : "it reached maxNewTokens or the model's token limit"
      const problem = `the text is incomplete: ${why}`
      return yield* new SchemaAnswerError({ reason: "unfinished", text, problem })
    }
    return yield* (decode(JSON.parse(text)) as Effect.Effect<Output, string>).pipe(
      Effect.mapError((problem) => new SchemaAnswerError({ reason: "invalid", text, problem }))
    )
  })
