/**
 * Typed answers: a text that a schema allows, decoded. The schema becomes a JSON Schema, that a constraint; what JSON Schema cannot say is
 * checked by the schema itself afterwards.
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

/** A schema of any library that follows Standard Schema and writes itself as JSON Schema (Zod, ArkType). */
export interface StandardJsonSchema<Output> {
  /** the interface of Standard Schema, with its extension for JSON Schema */
  readonly "~standard": {
    /** the library's name */
    readonly vendor: string
    /** Returns the value as the schema has it, or what is wrong with it. */
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    /** the schema as JSON Schema */
    readonly jsonSchema: {
      /** Returns the JSON Schema of values before they are decoded. */
      readonly input: (options: {
        /** the dialect */
        readonly target: "draft-2020-12"
      }) => unknown
    }
  }
}

/** What a Standard Schema finds of a value. */
export type StandardResult<Output> =
  | {
      /** decoded */
      readonly value: Output
      /** absent: the value is valid */
      readonly issues?: undefined
    }
  | {
      /** at least one */
      readonly issues: ReadonlyArray<{
        /** what is wrong, as the library says it */
        readonly message: string
        /** keys and indices; absent: the whole value */
        readonly path?: ReadonlyArray<unknown> | undefined
      }>
    }

/** A text was written that is not a value of the schema. */
export class SchemaAnswerError extends Schema.TaggedError<SchemaAnswerError>()("SchemaAnswerError", {
  /** "unfinished": it reached its most tokens or a stop string; "invalid": JSON Schema cannot say everything that the schema checks */
  reason: Schema.Literals(["unfinished", "invalid"]),
  /** the text as far as it was written */
  text: Schema.String,
  /** what is wrong with it */
  problem: Schema.String
}) {
  override get message() {
    return `${this.problem}: ${cut(this.text)}`
  }
}

/** Options of `generate`, without those that would make its text another. */
export type GenerateAsOptions = Omit<GenerateOptions, "constraint" | "special">

type EffectSchema<Output> = Schema.ConstraintDecoder<Output>

interface Answers<Output> {
  readonly jsonSchema: unknown
  readonly decode: (value: unknown) => Effect.Effect<Output, string>
}

const effectAnswers = <Output>(schema: EffectSchema<Output>): Answers<Output> => {
  // other keys would only be dropped
  const { schema: own, definitions } = Schema.toJsonSchemaDocument(schema, { onExcessProperty: "error" })
  const decode = Schema.decodeUnknownEffect(Schema.toCodecJson(schema))
  return {
    jsonSchema: { ...own, $defs: definitions },
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

const made = new WeakMap<CausalTokenizer, WeakMap<object, Made>>()

/** The constraint of a schema, once for each tokenizer. */
const madeOf = (schema: object, tokenizer: CausalTokenizer): Effect.Effect<Made, GenerationError> =>
  Effect.gen(function* () {
    const ofTokenizer = made.get(tokenizer) ?? new WeakMap<object, Made>()
    made.set(tokenizer, ofTokenizer)
    const known = ofTokenizer.get(schema)
    if (known !== undefined) return known
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
 * Generates JSON that the schema allows and decodes it. Fails with a `GenerationError` before a token is written where the schema asks what
 * is not supported, and with a `SchemaAnswerError` where the text was cut off or does not pass the schema's own checks.
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
      const why = finish === "stop" ? "a stop string came" : "maxNewTokens or the model's positions were used up"
      const problem = `the text is not complete, since ${why}`
      return yield* new SchemaAnswerError({ reason: "unfinished", text, problem })
    }
    return yield* (decode(JSON.parse(text)) as Effect.Effect<Output, string>).pipe(
      Effect.mapError((problem) => new SchemaAnswerError({ reason: "invalid", text, problem }))
    )
  })
