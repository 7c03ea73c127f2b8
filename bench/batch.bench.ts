/**
 * The batch bench: SmolLM2-135M-Instruct (Q4_1) on native writes 128 tokens after each of 128 prompts, one at a time, in fixed batches of 8
 * and in one batch whose texts join and leave (`batchScheduler`).
 *
 *   bun bench/batch.bench.ts [--prompts 128] [--tokens 128] [--threads 2] [--texts 16,32,64] [--alone 8] [--device native] [--gguf FILE]
 *
 * `--alone`: prompts that are written one at a time. Prompts have 8 to 40 tokens. Tokens that end a text are ignored.
 */
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { unadapted } from "../adapters/index.ts"
import { fetchSmolLm2 } from "../scripts/smollm2.ts"
import { Device } from "../src/device/index.ts"
import { peakResidentBytes } from "../src/device/wasm.ts"
import { generate, generateAll } from "../src/generation/index.ts"
import { openCausalModel } from "../src/models/causal/index.ts"
import { platform } from "../src/platform.ts"
import { printTable, setting } from "./cells.ts"

const { values } = parseArgs({
  options: {
    prompts: { type: "string", default: "128" },
    tokens: { type: "string", default: "128" },
    threads: { type: "string", default: "2" },
    texts: { type: "string", default: "16,32,64" },
    alone: { type: "string", default: "8" },
    device: { type: "string", default: "native" },
    gguf: { type: "string" }
  }
})

const gguf = values.gguf ?? (await fetchSmolLm2(join(import.meta.dirname, "../examples/models/smollm2")))
const prompts = Array.from({ length: Number(values.prompts) }, (_, i) =>
  Array.from({ length: 8 + ((i * 13) % 33) }, (_, at) => 20 + ((at * 37 + i * 101) % 40_000))
)
const options = { maxNewTokens: Number(values.tokens), eosIds: [] }

const measured = Effect.gen(function* () {
  const model = yield* openCausalModel(gguf, { weights: "file" })
  const adapted = yield* unadapted(model)
  const fixed = (some: ReadonlyArray<ReadonlyArray<number>>, size: number) =>
    Effect.forEach(
      Array.from({ length: Math.ceil(some.length / size) }, (_, i) => some.slice(i * size, (i + 1) * size)),
      (batch) => Stream.runDrain(generate(adapted, batch, options)),
      { discard: true }
    )
  const batched = (texts: number) =>
    generateAll(
      adapted,
      prompts.map((prompt) => ({ prompt, options })),
      { texts }
    )
  yield* fixed(prompts.slice(0, 2), 1)
  const alone = prompts.slice(0, Number(values.alone))
  const cells = [
    ["one at a time", alone.length, fixed(alone, 1)],
    ["batches of 8", prompts.length, fixed(prompts, 8)],
    ...values.texts.split(",").map((texts) => [`${texts} at a time`, prompts.length, batched(Number(texts))] as const)
  ] as const
  const rates: Array<number> = []
  const rows: Array<ReadonlyArray<string>> = []
  for (const [name, count, work] of cells) {
    const began = performance.now()
    yield* work
    rates.push((1000 * count * options.maxNewTokens) / (performance.now() - began))
    const peak = (peakResidentBytes() / 1e6).toFixed(0)
    rows.push([name, rates.at(-1)!.toFixed(0), `${(rates.at(-1)! / rates[0]!).toFixed(1)}×`, peak])
  }
  printTable(["", "tokens/s", "÷ one at a time", "peak MB so far"], rows)
})

console.log(
  `${setting()} · ${values.device}, ${values.threads} threads · ${prompts.length} prompts × ${values.tokens}\n`
)
await measured.pipe(
  Effect.scoped,
  Effect.provide(Device.layer(values.device as "native" | "wasm", { threads: Number(values.threads) })),
  Effect.provide(platform),
  Effect.runPromise
)
process.exit(0)
