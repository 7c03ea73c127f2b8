/**
 * RMS normalization and SwiGLU where they belong: a Llama with LoRA, against transformers' and PEFT's numbers. All but the two kernels
 * and the loss is tfjs's ops.
 */
import { expect, test } from "bun:test"
import { join } from "node:path"
import type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor4D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { IGNORED, sparseCrossEntropy } from "../../../src/kernels/cross-entropy.ts"
import { rmsNorm, rmsNormAndSum } from "../../../src/kernels/rms-norm.ts"
import { swiglu } from "../../../src/kernels/swiglu.ts"
import { valueAndGradients } from "../../../src/tensors/gradients.ts"
import { describeOnBoth } from "../../backends.ts"
import { expectClose, expectNoLeak, tolerance } from "../../setup.ts"
import { type GoldenPair, goldens, readAdapter, readGolden, type Tensors } from "../models/golden.ts"

const folder = "models/llama"
const config = await Bun.file(join(goldens, folder, "config.json")).json()
const heads: number = config.num_attention_heads
const groups: number = config.num_key_value_heads
const d: number = config.head_dim
const epsilon: number = config.rms_norm_eps

const io = await readGolden(`${folder}/io.safetensors`)
const file = await readGolden(`${folder}/model.safetensors`)
const [batch, length] = io.get("input_ids")!.shape as readonly [number, number]

const uploaded = (tensors: Tensors, name: string): Tensor => {
  const { data, shape } = tensors.get(name)!
  return tf.tensor(data as Float32Array, [...shape])
}
const integers = (name: string): Tensor2D => tf.tensor2d(Int32Array.from(io.get(name)!.data), [batch, length], "int32")

type Pairs = ReadonlyMap<string, GoldenPair>
interface Llama {
  readonly weights: (name: string) => Tensor
  readonly pairs: Pairs
}

/** xWᵀ + s·xAᵀBᵀ where there is a pair */
const linear = ({ weights, pairs }: Llama, name: string, x: Tensor2D): Tensor2D => {
  const y: Tensor2D = tf.matMul(x, weights(`model.${name}.weight`) as Tensor2D, false, true)
  const pair = pairs.get(name)
  if (pair === undefined) return y
  const low = tf.matMul(x, pair.A, false, true)
  return tf.add(y, tf.mul(tf.matMul(low, pair.B, false, true), pair.scale)) as Tensor2D
}

/** [batch·length, count·d] → [batch, heads, length, d], each of `count` for heads/count in a row */
const headsOf = (x: Tensor2D, count: number): Tensor4D => {
  const split = tf.transpose(tf.reshape(x, [batch, length, count, 1, d]), [0, 2, 3, 1, 4])
  return tf.reshape(tf.mul(split, tf.ones([heads / count, 1, 1])), [batch, heads, length, d])
}

/** Rotary positions: (x₁, x₂) → (x₁cos − x₂sin, x₂cos + x₁sin), x₁ and x₂ the halves of a head */
const rotated = (x: Tensor4D): Tensor => {
  const angles = tf.tensor2d(
    Array.from({ length }, (_, position) =>
      Array.from({ length: d / 2 }, (_, i) => position * config.rope_parameters.rope_theta ** ((-2 * i) / d))
    )
  )
  const [cos, sin] = [tf.cos(angles), tf.sin(angles)]
  const [first, second] = tf.split(x, 2, 3) as [Tensor, Tensor]
  return tf.concat(
    [tf.sub(tf.mul(first, cos), tf.mul(second, sin)), tf.add(tf.mul(second, cos), tf.mul(first, sin))],
    3
  )
}

/** 0 where a query may look, −10⁹ at later tokens and at padding; [batch, 1, length, length] */
const maskOf = (): Tensor => {
  const tokens = io.get("attention_mask")!.data
  const may = (b: number, query: number, key: number) => key <= query && tokens[b * length + key] === 1
  const values = Array.from({ length: batch }, (_, b) => [
    Array.from({ length }, (_, q) => Array.from({ length }, (_, k) => (may(b, q, k) ? 0 : -1e9)))
  ])
  return tf.tensor(values)
}

const attended = (llama: Llama, name: string, x: Tensor2D): Tensor2D => {
  const projection = (which: string, count: number) => headsOf(linear(llama, `${name}.${which}_proj`, x), count)
  const scores = tf.matMul(rotated(projection("q", heads)), rotated(projection("k", groups)), false, true)
  const P = tf.softmax(tf.add(tf.div(scores, Math.sqrt(d)), maskOf()))
  const O = tf.transpose(tf.matMul(P, projection("v", groups)), [0, 2, 1, 3])
  return linear(llama, `${name}.o_proj`, tf.reshape(O, [batch * length, heads * d]))
}

/** What each layer was given, the last normalization's output, and the logits. */
const forward = (llama: Llama): { hidden: ReadonlyArray<Tensor>; logits: Tensor2D } => {
  const gamma = (name: string) => llama.weights(`model.${name}.weight`) as Tensor1D
  const embeddings = tf.gather(llama.weights("model.embed_tokens.weight"), tf.reshape(integers("input_ids"), [-1]))
  const hidden: Array<Tensor> = []
  let sum = embeddings as Tensor2D
  let branch: Tensor2D | null = null
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const scale = gamma(`layers.${i}.input_layernorm`)
    const [x, s]: readonly [Tensor2D, Tensor2D] =
      branch === null ? [rmsNorm(sum, null, scale, epsilon), sum] : rmsNormAndSum(branch, sum, scale, epsilon)
    hidden.push(s)
    const attention = attended(llama, `layers.${i}.self_attn`, x)
    const [z, further] = rmsNormAndSum(attention, s, gamma(`layers.${i}.post_attention_layernorm`), epsilon)
    const projection = (which: string, input: Tensor2D) => linear(llama, `layers.${i}.mlp.${which}_proj`, input)
    branch = projection("down", swiglu(projection("gate", z), projection("up", z)))
    sum = further
  }
  const last = rmsNorm(branch!, sum, gamma("norm"), epsilon)
  return {
    hidden: [...hidden, last],
    logits: tf.matMul(last, llama.weights("lm_head.weight") as Tensor2D, false, true)
  }
}

/** Each token against the next; the last of a row has none, and padding does not count. */
const lossOf = (logits: Tensor2D): Scalar => {
  const given = io.get("labels")!.data
  const next = Int32Array.from(given, (_, at) => (at % length === length - 1 ? IGNORED : given[at + 1]!))
  return sparseCrossEntropy(logits, tf.tensor1d(next, "int32"))
}

/** Rows of tokens, without those of padding. */
const rowsOf = (values: ArrayLike<number>): ReadonlyArray<number> => {
  const mask = io.get("attention_mask")!.data
  const width = values.length / mask.length
  return Array.from(values).filter((_, at) => mask[Math.floor(at / width)] === 1)
}

const llamaWith = (pairs: Pairs): Llama => {
  const weights = new Map([...file.keys()].map((name) => [name, uploaded(file, name)]))
  return { weights: (name) => weights.get(name)!, pairs }
}

test("the golden model has padding, layers to go between, and norms that are not 1", () => {
  expect(io.get("attention_mask")!.data).toContain(0)
  expect(config.num_hidden_layers).toBeGreaterThan(1)
  expect(file.get("model.norm.weight")!.data.some((x) => Math.abs(x - 1) > 0.05)).toBe(true)
})

describeOnBoth(() => {
  test("what flows between the layers, the logits and the loss", async () => {
    const { hidden, logits } = forward(llamaWith(new Map()))
    expect(hidden).toHaveLength(config.num_hidden_layers + 1)
    for (const [i, state] of [...hidden, logits].entries()) {
      const name = state === logits ? "logits" : `hidden_states.${i}`
      expectClose(rowsOf(await state.data()), rowsOf(io.get(name)!.data), tolerance.forward)
    }
    expectClose(await lossOf(logits).data(), io.get("loss")!.data, tolerance.forward)
  })

  test("with an adapter: the loss, and the gradients of all factors", async () => {
    const expected = await readGolden(`${folder}/adapter_io.safetensors`)
    const { pairs } = await readAdapter(`${folder}/adapter`, "model.")
    const llama = llamaWith(pairs)
    const factors = [...pairs].flatMap(([site, { A, B }]) => [
      [`${site}.lora_A`, A] as const,
      [`${site}.lora_B`, B] as const
    ])
    expect(factors).toHaveLength(28)
    const differentiated = () =>
      valueAndGradients(
        () => lossOf(forward(llama).logits),
        factors.map(([, factor]) => factor)
      )
    const { value, gradients } = differentiated()
    expectClose(await value.data(), expected.get("loss")!.data, tolerance.forward)
    for (const [i, [name]] of factors.entries()) {
      const golden = expected.get(`grad.base_model.model.model.${name}.weight`)!
      expectClose(await gradients[i]!.data(), golden.data, tolerance.gradient)
    }
    await expectNoLeak(() => {
      const again = differentiated()
      tf.dispose([again.value, ...again.gradients])
    })
  })
})
