/**
 * `export --format onnx` of language models, in transformers.js: the run's logits of a text at once, token by token through the cache, and of a
 * batch with padding, and the same greedy text.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { AutoModelForCausalLM, AutoTokenizer, env, pipeline, Tensor } from "@huggingface/transformers"
import { runLogits } from "./causal-logits.ts"
import { causalPlan, decoder, type TinyDecoder, writeRows } from "./causal-workspace.ts"
import { jsonObjects, onWasm, succeed, TIMEOUT, workspace } from "./fixtures.ts"

const w = workspace()
env.allowRemoteModels = false
env.localModelPath = `${w.directory}/`

/** Of logits of the order of 10: float32 in another order of sums, 11 bits, bytes, 4 bits; relative to the largest. */
const BOUNDS = { fp32: 1e-5, fp16: 1e-2, q8: 0.2, q4: 0.4 } as const
type Dtype = keyof typeof BOUNDS

const texts = ["what is the colour of grass ?", "snow is white . coal is black ."]

type Model = Awaited<ReturnType<typeof AutoModelForCausalLM.from_pretrained>>
interface Said {
  readonly logits: Tensor
  readonly past_key_values?: unknown
}

const ids = (rows: ReadonlyArray<ReadonlyArray<number>>) =>
  new Tensor("int64", BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]!.length])

const furthest = (ours: ArrayLike<number>, theirs: ArrayLike<number>): number => {
  expect(theirs.length).toBe(ours.length)
  const largest = Math.max(...Array.from(ours, Math.abs))
  return Math.max(...Array.from(ours, (value, i) => Math.abs(value - theirs[i]!))) / largest
}

const models: ReadonlyArray<TinyDecoder> = ["llama", "gpt2", "gemma3"]

beforeAll(() => {
  for (const model of models) decoder(w, model)
  writeRows(w)
})

describe.each(models)("%s", (source) => {
  let tokens: ReadonlyArray<ReadonlyArray<number>> = []
  let expected: ReadonlyArray<Float32Array> = []
  const open = (dtype: Dtype): Promise<Model> => AutoModelForCausalLM.from_pretrained(`out/${source}`, { dtype })
  beforeAll(async () => {
    const file = w.write(`${source}.json`, causalPlan(source, "text", { training: { steps: 6, batchSize: 4 } }))
    await succeed(w.cli(["train", file, "--out", `runs/${source}`, ...onWasm]))
    const asked = ["--format", "onnx", "--dtype", "fp32,fp16,q8,q4"]
    await succeed(w.cli(["export", `runs/${source}`, ...asked, "--out", `out/${source}`, ...onWasm]))
    const tokenizer = await AutoTokenizer.from_pretrained(`out/${source}`)
    tokens = texts.map((text) => tokenizer.encode(text))
    expected = await runLogits(w.path(`runs/${source}`), tokens)
  }, TIMEOUT)

  test.each(["fp32", "fp16", "q8", "q4"] as const)(
    "has the run's logits in %s, at once and through the cache",
    async (dtype) => {
      const model = await open(dtype)
      for (const [i, own] of tokens.entries()) {
        const mask = (length: number) => ids([Array.from({ length }, () => 1)])
        const whole = (await model({ input_ids: ids([own]), attention_mask: mask(own.length) })) as Said
        expect(furthest(expected[i]!, whole.logits.data as Float32Array)).toBeLessThan(BOUNDS[dtype])
        const [first, rest] = [own.slice(0, 3), own.slice(3)]
        const began = await model.generate({
          input_ids: ids([first]),
          attention_mask: mask(3),
          max_new_tokens: 1,
          do_sample: false,
          return_dict_in_generate: true
        })
        const past = (began as unknown as { readonly past_key_values: unknown }).past_key_values
        const next = (await model({
          input_ids: ids([rest]),
          attention_mask: mask(own.length),
          past_key_values: past
        })) as Said
        const width = expected[i]!.length / own.length
        expect(furthest(expected[i]!.subarray(3 * width), next.logits.data as Float32Array)).toBeLessThan(BOUNDS[dtype])
      }
      await model.dispose()
    }
  )

  test("has the same logits in a batch with padding on the left", async () => {
    const model = await open("fp32")
    const [long, short] = tokens[0]!.length > tokens[1]!.length ? [tokens[0]!, tokens[1]!] : [tokens[1]!, tokens[0]!]
    const pad = long.length - short.length
    expect(pad).toBeGreaterThan(0)
    const zeros = Array.from({ length: pad }, () => 0)
    const { logits } = (await model({
      input_ids: ids([long, [...zeros, ...short]]),
      attention_mask: ids([long.map(() => 1), [...zeros, ...short.map(() => 1)]])
    })) as Said
    const own = expected[tokens.indexOf(short)]!
    expect(furthest(own, (logits.data as Float32Array).slice(-own.length))).toBeLessThan(BOUNDS.fp32)
    await model.dispose()
  })

  test("writes the run's greedy text in the pipeline", async () => {
    const { stdout } = await succeed(
      w.cli(["generate", `runs/${source}`, texts[0]!, "--max-tokens", "8", "--temperature", "0", "--json", ...onWasm])
    )
    const write = await pipeline("text-generation", `out/${source}`, { dtype: "fp32" })
    const [answer] = (await write(texts[0]!, {
      max_new_tokens: 8,
      do_sample: false,
      return_full_text: false
    })) as Array<{
      readonly generated_text: string
    }>
    const words = (text: string) => text.trim().split(/\s+/).join(" ")
    expect(words(answer!.generated_text)).toBe(words(String(jsonObjects(stdout)[0]!["text"])))
  })
})
