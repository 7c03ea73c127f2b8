/**
 * What a generation takes on SmolLM2-135M-Instruct, timed in a process of its own:
 *
 *   bun bench/generation/write.ts GGUF '{"context":512,"tokens":32,"threads":2,"weights":"f32","device":"wasm"}'
 *
 * Prints a JSON line. A prompt of `context` tokens is read twice and `tokens` are written behind it twice, the second time timed.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { unadapted } from "../../adapters/index.ts"
import { Device } from "../../src/device/index.ts"
import { peakResidentBytes } from "../../src/device/wasm.ts"
import { generate } from "../../src/generation/index.ts"
import { openCausalModel } from "../../src/models/causal/index.ts"
import { platform } from "../../src/platform.ts"

export interface WriteMeasurement {
  /** tokens of the prompt */
  readonly context: number
  /** tokens that are written */
  readonly tokens: number
  readonly threads: number
  readonly weights: "f32" | "f16" | "int8" | "q4" | "q8"
  readonly device: "wasm" | "native" | "webgpu"
}

export interface WriteResult {
  /** from the call to the first token */
  readonly firstMilliseconds: number
  /** of each token behind it, the mean */
  readonly tokenMilliseconds: number
  readonly peakBytes: number
}

const measured = (gguf: string, { context, tokens, weights }: WriteMeasurement) =>
  Effect.gen(function* () {
    const model = yield* openCausalModel(gguf, { weights })
    const adapted = yield* unadapted(model)
    // the same tokens as in torch_write.py
    const prompt = Array.from({ length: context }, (_, i) => 20 + ((i * 37) % 49_000))
    const once = (maxNewTokens: number) =>
      generate(adapted, [prompt], { maxNewTokens, eosIds: [] }).pipe(Stream.runCollect)
    const timed = function* (maxNewTokens: number) {
      const began = performance.now()
      yield* once(maxNewTokens)
      return performance.now() - began
    }
    yield* timed(2)
    const firstMilliseconds = yield* timed(1)
    // once before it counts, as llama-bench does: a runtime compiles what it runs often
    yield* once(tokens)
    const events = yield* once(tokens)
    const end = events.find((event) => event.kind === "end")!
    const result: WriteResult = {
      firstMilliseconds,
      tokenMilliseconds: 1000 / end.tokensPerSecond!,
      peakBytes: peakResidentBytes()
    }
    return result
  })

const [gguf, text] = process.argv.slice(2) as [string, string]
const measurement = JSON.parse(text) as WriteMeasurement
const result = await measured(gguf, measurement).pipe(
  Effect.scoped,
  Effect.provide(Device.layer(measurement.device, { threads: measurement.threads })),
  Effect.provide(platform),
  Effect.runPromise
)
console.log(JSON.stringify(result))
process.exit(0)
