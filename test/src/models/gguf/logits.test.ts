/** GGUF files end to end: the logits that transformers computes from the checkpoints they were made of. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { describeCausal, loadCausal } from "../../../../src/models/causal/index.ts"
import { ggufSource } from "../../../../src/models/gguf/gguf-source.ts"
import { expectClose, tolerance } from "../../../setup.ts"
import { atTokens, frozen, logitsAt, noTokenizer, rowsOf } from "../causal/causal-golden.ts"
import { goldens, readGolden, runScoped } from "../golden.ts"

await tf.setBackend("cpu")

const written = ["llama", "llama-tied", "qwen2", "qwen3", "gemma2", "gemma3", "gpt2"]
/** by llama.cpp's own converter: gguf_converted.py */
const converted = ["mistral", "phi3", "gemma3"].map((name) => `${name}-converted`)

for (const name of [...written, ...converted]) {
  test(`${name}: logits from the GGUF file`, async () => {
    const io = await readGolden(
      converted.includes(name) ? `gguf/${name}-io.safetensors` : `models/${name}/io.safetensors`
    )
    const rows = rowsOf(io)
    const logits = await runScoped(
      Effect.gen(function* () {
        const source = yield* ggufSource(`${goldens}/gguf/${name}.gguf`)
        const model = yield* loadCausal(source, yield* describeCausal(source), { tokenizer: noTokenizer })
        const { input } = model.toDevice(rows)
        return yield* Effect.promise(() => logitsAt(model.forward(input, frozen(model), model.weights), rows))
      })
    )
    expect(rows.tokens).toBeGreaterThan(10)
    expectClose(logits, atTokens(io.get("logits")!.data, rows), tolerance.forward)
  })
}
