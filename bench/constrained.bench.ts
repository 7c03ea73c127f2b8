/**
 * The bench of constrained decoding: SmolLM2-135M-Instruct writes a record of 20 fields under its JSON Schema, and as many tokens without a
 * constraint after the same prompt, in turns.
 *
 *   bun bench/constrained.bench.ts [--weights f32,q4] [--devices native] [--threads 2] [--rounds 5] [--temperature 0]
 *
 * A token is one of the text, whether it took a pass or was forced. "each pass": the time of a text divided by its passes, which is what the
 * constraint itself costs. "first": the first text of a process, for which masks are made.
 */
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type Adapted, unadapted } from "../adapters/index.ts"
import { fetchSmolLm2 } from "../scripts/smollm2.ts"
import { Device } from "../src/device/index.ts"
import { constraintOf, type GenerateOptions, type GenerationEnd, generate } from "../src/generation/index.ts"
import { type CausalModel, openCausalModel } from "../src/models/causal/index.ts"
import { platform } from "../src/platform.ts"
import { printTable, setting } from "./cells.ts"
import { median } from "./shapes.ts"

const { values } = parseArgs({
  options: {
    weights: { type: "string", default: "f32,q4" },
    devices: { type: "string", default: "native" },
    threads: { type: "string", default: "2" },
    rounds: { type: "string", default: "5" },
    temperature: { type: "string", default: "0" }
  }
})

const short = { type: "string", maxLength: 40 }
const properties = {
  name: short,
  email: { type: "string", format: "email", maxLength: 40 },
  age: { type: "integer", minimum: 0, maximum: 120 },
  born: { type: "string", format: "date" },
  city: short,
  country: { enum: ["France", "Germany", "Italy", "Spain", "United Kingdom", "other"] },
  street: short,
  postcode: { type: "string", pattern: "^[A-Z0-9 ]{4,8}$" },
  phone: { anyOf: [{ type: "string", pattern: "^\\+?[0-9 ]{6,15}$" }, { type: "null" }] },
  member: { type: "boolean" },
  level: { enum: ["bronze", "silver", "gold"] },
  points: { type: "integer", minimum: 0, maximum: 1_000_000 },
  discount: { type: "number", minimum: 0, maximum: 1 },
  tags: { type: "array", items: { enum: ["new", "returning", "vip"] }, maxItems: 3 },
  orders: {
    type: "array",
    items: {
      type: "object",
      properties: { item: short, count: { type: "integer", minimum: 1, maximum: 99 } },
      required: ["item", "count"]
    },
    minItems: 1,
    maxItems: 2
  },
  language: { type: "string", pattern: "^[a-z]{2}$" },
  newsletter: { type: "boolean" },
  note: { type: ["string", "null"], maxLength: 80 },
  created: { type: "string", format: "date-time" },
  id: { type: "string", pattern: "^[0-9a-f]{8}$" }
}
const schema = { type: "object", properties, required: Object.keys(properties) }

const prompt =
  "<|im_start|>user\nWrite a made-up customer of a bookshop as a JSON object on one line.<|im_end|>\n<|im_start|>assistant\n"

interface Written {
  readonly end: GenerationEnd
  readonly milliseconds: number
  readonly passes: number
}

const measured = (weights: "f32" | "f16" | "int8" | "q8" | "q4", gguf: string) =>
  Effect.gen(function* () {
    const model = yield* openCausalModel(gguf, { weights })
    const plain = yield* unadapted(model)
    let passes = 0
    const adapted: Adapted<CausalModel> = {
      ...plain,
      forward: (input, trainable) => {
        passes++
        return plain.forward(input, trainable)
      }
    }
    const once = (options: GenerateOptions) =>
      Effect.gen(function* () {
        passes = 0
        // the prompt's pass is not what is measured: the clock begins with the first piece of text
        let began = 0
        const events = yield* generate(adapted, [prompt], options).pipe(
          Stream.tap(() =>
            Effect.sync(() => {
              if (began === 0) began = performance.now()
            })
          ),
          Stream.runCollect
        )
        const end = events.find((event): event is GenerationEnd => event.kind === "end")!
        return { end, milliseconds: performance.now() - began, passes } satisfies Written
      })
    const compiling = performance.now()
    const constraint = constraintOf({ kind: "json", schema }, model.tokenizer)
    if ("broken" in constraint) throw new Error(constraint.broken.join("\n"))
    const compileMilliseconds = performance.now() - compiling
    const temperature = Number(values.temperature)
    const constrained = (seed: number) => once({ constraint, temperature, seed, maxNewTokens: 600 })
    // passes of other texts, so that kernels and code are warm and masks are not
    yield* once({ eosIds: [], temperature, maxNewTokens: 64 })
    const first = yield* constrained(0)
    const rounds: Array<readonly [free: Written, bound: Written]> = []
    for (let seed = 1; seed <= Number(values.rounds); seed++) {
      const bound = yield* constrained(seed)
      const free = yield* once({ eosIds: [], temperature, seed, maxNewTokens: bound.end.ids.length })
      rounds.push([free, bound])
    }
    JSON.parse(first.end.text)
    return { first, rounds, compileMilliseconds }
  })

const gguf = await fetchSmolLm2(join(import.meta.dirname, "../examples/models/smollm2"))
console.log(`${setting()} · ${values.threads} threads · medians of ${values.rounds} rounds\n`)
const rate = ({ end, milliseconds }: Written) => (1000 * end.ids.length) / milliseconds
const pass = ({ milliseconds, passes }: Written) => milliseconds / passes
const rows: Array<ReadonlyArray<string>> = []
for (const device of values.devices.split(",") as ReadonlyArray<"native" | "wasm">) {
  for (const weights of values.weights.split(",") as ReadonlyArray<"f32" | "q4">) {
    const { first, rounds, compileMilliseconds } = await measured(weights, gguf).pipe(
      Effect.scoped,
      Effect.provide(Device.layer(device, { threads: Number(values.threads) })),
      Effect.provide(platform),
      Effect.runPromise
    )
    const of = (pick: (pair: readonly [free: Written, bound: Written]) => number) => median(rounds.map(pick))
    rows.push([
      `${device}, ${weights}`,
      `${of(([, { end }]) => end.ids.length)} (${of(([, { passes }]) => passes)})`,
      of(([free]) => rate(free)).toFixed(1),
      of(([, bound]) => rate(bound)).toFixed(1),
      `${of(([free, bound]) => rate(bound) / rate(free)).toFixed(2)}×`,
      of(([free]) => pass(free)).toFixed(1),
      of(([, bound]) => pass(bound)).toFixed(1),
      rate(first).toFixed(1),
      compileMilliseconds.toFixed(0)
    ])
    console.error(first.end.text)
  }
}
printTable(
  [
    "",
    "tokens (passes)",
    "free tokens/s",
    "constrained tokens/s",
    "ratio",
    "free ms a pass",
    "constrained ms a pass",
    "first tokens/s",
    "compiled in ms"
  ],
  rows
)
process.exit(0)
