/** The kernels of a forward and backward pass, and tfjs's own that the wasm device replaces, under the laws of `laws.ts`. */
import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { attention } from "../../../src/kernels/attention.ts"
import { IGNORED, sparseCrossEntropy } from "../../../src/kernels/cross-entropy.ts"
import { denseLinear, frozenLinear } from "../../../src/kernels/dense-linear.ts"
import { gelu } from "../../../src/kernels/gelu.ts"
import { layerNorm } from "../../../src/kernels/layer-norm.ts"
import { linearCrossEntropy } from "../../../src/kernels/linear-cross-entropy.ts"
import { loraLinear } from "../../../src/kernels/lora-linear.ts"
import { rmsNorm, rmsNormAndSum } from "../../../src/kernels/rms-norm.ts"
import { rope } from "../../../src/kernels/rope.ts"
import { scaledColumns } from "../../../src/kernels/scaled-columns.ts"
import { swiglu } from "../../../src/kernels/swiglu.ts"
import { describedBefore, describeLaws, type Host, normalHost, testEveryKernelHasItsRow } from "./laws.ts"

const before = describedBefore()

const matrix = (tensor: Tensor) => tensor as Tensor2D
const vector = (tensor: Tensor) => tensor as Tensor1D

for (const [form, name] of [
  ["erf", "Erf"],
  ["tanh", "Tanh"],
  ["quick", "Quick"]
] as const) {
  describeLaws({
    name: `gelu, ${form}`,
    sizes: [
      [3, 7],
      [1, 1],
      [8, 64],
      [5, 33]
    ],
    large: [3, 22_017],
    empty: [0, 5],
    inputs: ([tokens, width]: readonly [number, number]) => ({ x: normalHost("gelu", tokens, width) }),
    run: ({ x }) => gelu(matrix(x), form),
    differentiable: ["x"],
    functions: [`gelu${name}`, "geluBackward"],
    shaders: [`Gelu${name}`, "GeluBackward"]
  })
}

const normSizes = {
  sizes: [
    [5, 48],
    [1, 7],
    [33, 3],
    [6, 130]
  ],
  large: [701, 130],
  empty: [0, 6]
} as const satisfies object
type Rows = readonly [rows: number, n: number]

describeLaws({
  ...normSizes,
  name: "columns with a factor of their own, and a bias",
  inputs: ([tokens, n]: Rows) => ({
    z: normalHost("z", tokens, n),
    factor: normalHost("factor", n),
    bias: normalHost("bias", n)
  }),
  run: ({ z, factor, bias }) => scaledColumns(matrix(z), vector(factor), vector(bias)),
  differentiable: ["z", "factor", "bias"],
  functions: ["sumColumns"]
})

describeLaws({
  ...normSizes,
  name: "columns with a factor of their own",
  inputs: ([tokens, n]: Rows) => ({ z: normalHost("z", tokens, n), factor: normalHost("factor", n) }),
  run: ({ z, factor }) => scaledColumns(matrix(z), vector(factor), null),
  differentiable: ["z", "factor"],
  functions: ["sumColumns"]
})

describeLaws({
  ...normSizes,
  name: "layer normalization",
  steep: [[4, 1]],
  inputs: ([tokens, n]: Rows) => ({
    x: normalHost("x", tokens, n),
    gamma: normalHost("gamma", n),
    beta: normalHost("beta", n)
  }),
  run: ({ x, gamma, beta }) => layerNorm(matrix(x), null, vector(gamma), vector(beta), 1e-5),
  differentiable: ["x", "gamma", "beta"],
  functions: ["layerNorm", "layerNormBackward", "layerNormScaleGradient"],
  shaders: ["LayerNorm", "LayerNormBackward", "LayerNormScaleGradient"]
})

describeLaws({
  ...normSizes,
  name: "layer normalization of a sum",
  steep: [[4, 1]],
  inputs: ([tokens, n]: Rows) => ({
    x: normalHost("x", tokens, n),
    residual: normalHost("residual", tokens, n),
    gamma: normalHost("gamma", n),
    beta: normalHost("beta", n)
  }),
  run: ({ x, residual, gamma, beta }) => layerNorm(matrix(x), matrix(residual), vector(gamma), vector(beta), 1e-5),
  differentiable: ["x", "residual", "gamma", "beta"],
  functions: ["residualLayerNorm", "layerNormBackward", "layerNormScaleGradient"],
  shaders: ["ResidualLayerNorm", "LayerNormBackward", "LayerNormScaleGradient"]
})

describeLaws({
  ...normSizes,
  name: "RMS normalization",
  steep: [[4, 1]],
  inputs: ([tokens, n]: Rows) => ({ x: normalHost("x", tokens, n), gamma: normalHost("gamma", n) }),
  run: ({ x, gamma }) => rmsNorm(matrix(x), null, vector(gamma), 1e-5),
  differentiable: ["x", "gamma"],
  functions: ["rmsNorm", "rmsNormBackward", "rmsNormScaleGradient"],
  shaders: ["RmsNorm", "RmsNormBackward", "RmsNormScaleGradient"]
})

/** With the sum as a second output, which the value holds three times. */
const normalizedAndSum = (x: Tensor, residual: Tensor, gamma: Tensor): Tensor =>
  tf.tidy(() => {
    const [y, sum] = rmsNormAndSum(matrix(x), matrix(residual), vector(gamma), 1e-5)
    return tf.sub(y, tf.mul(sum, 3))
  })

for (const [name, run] of [
  ["", (x, residual, gamma) => rmsNorm(matrix(x), matrix(residual), vector(gamma), 1e-5)],
  [", and the sum", normalizedAndSum]
] as const satisfies ReadonlyArray<readonly [string, typeof normalizedAndSum]>) {
  describeLaws({
    ...normSizes,
    name: `RMS normalization of a sum${name}`,
    steep: [[4, 1]],
    inputs: ([tokens, n]: Rows) => ({
      x: normalHost("x", tokens, n),
      residual: normalHost("residual", tokens, n),
      gamma: normalHost("gamma", n)
    }),
    run: ({ x, residual, gamma }) => run(x, residual, gamma),
    differentiable: ["x", "residual", "gamma"],
    functions: ["residualRmsNorm", name === "" ? "rmsNormBackward" : "rmsNormAndSumBackward", "rmsNormScaleGradient"],
    shaders: ["ResidualRmsNorm", name === "" ? "RmsNormBackward" : "RmsNormAndSumBackward", "RmsNormScaleGradient"]
  })
}

describeLaws({
  name: "SwiGLU",
  sizes: [
    [3, 7],
    [1, 1],
    [8, 64],
    [5, 33]
  ],
  large: [3, 22_017],
  empty: [0, 5],
  inputs: ([tokens, width]: readonly [number, number]) => ({
    gate: normalHost("gate", tokens, width),
    up: normalHost("up", tokens, width)
  }),
  run: ({ gate, up }) => swiglu(matrix(gate), matrix(up)),
  differentiable: ["gate", "up"],
  functions: ["swiglu", "swigluBackward"],
  shaders: ["Swiglu", "SwigluBackward"]
})

interface Attended {
  readonly heads: number
  readonly keyHeads: number
  readonly d: number
  readonly queries: number
  readonly keys: number
  /** the tokens of each row's texts, and its padding behind them */
  readonly texts: ReadonlyArray<ReadonlyArray<number>>
  readonly causal?: boolean
  readonly window?: number
  readonly softCap?: number
}

/** 0, 0, 0, 1, 1, −1: of texts with three and two tokens, and padding */
const segmentsOf = ({ texts, keys }: Attended, count: number): Host => ({
  shape: [texts.length * count],
  values: Int32Array.from(
    texts.flatMap((lengths) => {
      const row = lengths.flatMap((length, i) => Array.from({ length }, () => i))
      return Array.from({ length: keys }, (_, j) => row[j] ?? -1).slice(keys - count)
    })
  )
})

const attendedInputs = (size: Attended) => {
  const { heads, keyHeads, d, queries, keys, texts } = size
  const of = (name: string, length: number, own: number) => normalHost(name, texts.length * length, own * d)
  return {
    q: of("q", queries, heads),
    k: of("k", keys, keyHeads),
    v: of("v", keys, keyHeads),
    querySegments: segmentsOf(size, queries),
    keySegments: segmentsOf(size, keys)
  }
}

const attended = (
  { q, k, v, querySegments, keySegments }: Readonly<Record<keyof ReturnType<typeof attendedInputs>, Tensor>>,
  {
    heads,
    keyHeads,
    texts,
    causal = false,
    window = null,
    softCap = null
  }: Omit<Attended, "window" | "softCap"> & {
    readonly window?: number | null
    readonly softCap?: number | null
  },
  bias: Tensor3D | null
) => {
  const segments = { queries: vector(querySegments), keys: vector(keySegments) }
  const shape = { batch: texts.length, heads, keyHeads, softCap, mask: { causal, window, segments } }
  return attention({ q: matrix(q), k: matrix(k), v: matrix(v), bias, ...shape })
}

const attentionShaders = ["Attention", ...["rows", "q", "k v"].map((part) => `AttentionGradient ${part}`)]
const attentionLaws = { functions: ["attention", "attentionGradient"], shaders: attentionShaders } as const

/** What multiplies by 0 what is not attended. */
const smears = "the reference multiplies what a query does not attend by 0; the kernel leaves most of it out"

describeLaws({
  ...attentionLaws,
  name: "attention of every query to every key",
  sizes: [
    { heads: 3, keyHeads: 3, d: 4, queries: 5, keys: 5, texts: [[5], [5]] },
    { heads: 2, keyHeads: 2, d: 8, queries: 1, keys: 1, texts: [[1], [1]] },
    { heads: 2, keyHeads: 2, d: 3, queries: 7, keys: 7, texts: [[7], [7], [7]] },
    { heads: 2, keyHeads: 1, d: 17, queries: 21, keys: 21, texts: [[21]] },
    { heads: 2, keyHeads: 2, d: 32, queries: 13, keys: 13, texts: [[13]], softCap: 2 }
  ],
  large: { heads: 4, keyHeads: 4, d: 33, queries: 37, keys: 37, texts: [[37], [37], [37], [37]] },
  empty: { heads: 2, keyHeads: 2, d: 4, queries: 3, keys: 3, texts: [] },
  inputs: attendedInputs,
  run: (inputs, size: Attended) => attended(inputs, size, null),
  differentiable: ["q", "k", "v"]
})

describeLaws({
  ...attentionLaws,
  name: "attention in a padded batch, of packed texts, within windows",
  sizes: [
    { heads: 3, keyHeads: 3, d: 4, queries: 5, keys: 5, texts: [[5], [3]] },
    { heads: 2, keyHeads: 2, d: 3, queries: 7, keys: 7, texts: [[1], [7], [0], [4]] },
    { heads: 2, keyHeads: 1, d: 17, queries: 31, keys: 31, texts: [[9, 13, 7]], window: 6, softCap: 3 },
    { heads: 2, keyHeads: 2, d: 32, queries: 13, keys: 29, texts: [[20, 9]], window: 8 },
    // more than one block of queries and of keys
    { heads: 2, keyHeads: 1, d: 64, queries: 107, keys: 107, texts: [[20, 80]], window: 30 }
  ],
  large: { heads: 4, keyHeads: 2, d: 20, queries: 205, keys: 205, texts: [[205], [100, 90]], window: 70 },
  empty: { heads: 2, keyHeads: 1, d: 4, queries: 3, keys: 3, texts: [], window: 2 },
  inputs: attendedInputs,
  run: (inputs, size: Attended) => attended(inputs, size, null),
  differentiable: ["q", "k", "v"],
  smears
})

describeLaws({
  ...attentionLaws,
  name: "causal attention",
  sizes: [
    { heads: 4, keyHeads: 2, d: 6, queries: 5, keys: 5, texts: [[5], [3]] },
    { heads: 3, keyHeads: 1, d: 3, queries: 1, keys: 1, texts: [[1], [1]] },
    { heads: 2, keyHeads: 2, d: 17, queries: 31, keys: 31, texts: [[9, 13, 7]], window: 6, softCap: 3 },
    { heads: 6, keyHeads: 2, d: 32, queries: 13, keys: 29, texts: [[29]] },
    // what a model that writes asks for: few queries, which have a way of their own
    { heads: 5, keyHeads: 1, d: 19, queries: 2, keys: 30, texts: [[11, 16], [30]], window: 20, softCap: 2 },
    // more than one block of queries and of keys
    { heads: 2, keyHeads: 1, d: 64, queries: 107, keys: 107, texts: [[20, 80]] }
  ],
  large: { heads: 4, keyHeads: 2, d: 20, queries: 205, keys: 211, texts: [[211], [100, 90]], window: 150 },
  empty: { heads: 2, keyHeads: 1, d: 4, queries: 3, keys: 3, texts: [] },
  inputs: attendedInputs,
  run: (inputs, size: Attended) => attended(inputs, { ...size, causal: true }, null),
  differentiable: ["q", "k", "v"],
  smears
})

describeLaws({
  ...attentionLaws,
  name: "attention with a bias",
  sizes: [
    { heads: 3, keyHeads: 3, d: 4, queries: 5, keys: 5, texts: [[5], [3]] },
    { heads: 4, keyHeads: 2, d: 17, queries: 21, keys: 21, texts: [[21]], causal: true },
    { heads: 4, keyHeads: 1, d: 8, queries: 2, keys: 33, texts: [[33], [20, 13]] },
    { heads: 2, keyHeads: 2, d: 32, queries: 61, keys: 107, texts: [[20, 80]], window: 30, softCap: 2 }
  ],
  large: { heads: 6, keyHeads: 2, d: 20, queries: 105, keys: 105, texts: [[105], [50, 40]], causal: true },
  empty: { heads: 2, keyHeads: 2, d: 4, queries: 3, keys: 3, texts: [] },
  inputs: (size: Attended) => ({
    ...attendedInputs(size),
    bias: normalHost("bias", size.heads, size.queries, size.keys)
  }),
  run: ({ bias, ...inputs }, size) => attended(inputs, size, bias as Tensor3D),
  differentiable: ["q", "k", "v", "bias"],
  smears
})

describeLaws({
  name: "rotary positions",
  sizes: [
    { tokens: 5, heads: 3, d: 6 },
    { tokens: 1, heads: 1, d: 2 },
    { tokens: 7, heads: 2, d: 64 }
  ],
  large: { tokens: 301, heads: 9, d: 22 },
  empty: { tokens: 0, heads: 2, d: 4 },
  inputs: ({ tokens, heads, d }: Readonly<Record<"tokens" | "heads" | "d", number>>) => {
    // an angle for both columns of a pair
    const angles = (f: (x: number) => number): Host => ({
      shape: [tokens, d],
      values: Float32Array.from({ length: tokens * d }, (_, i) => f(Math.floor(i / d) / 3 ** (i % (d / 2))))
    })
    return { x: normalHost("x", tokens, heads * d), cos: angles(Math.cos), sin: angles(Math.sin) }
  },
  run: ({ x, cos, sin }) => rope(matrix(x), matrix(cos), matrix(sin)),
  differentiable: ["x"],
  functions: ["rope"],
  shaders: ["Rope"]
})

describeLaws({
  name: "cross-entropy",
  sizes: [
    [7, 2],
    [1, 3],
    [33, 17],
    [6, 1]
  ],
  large: [67, 1001],
  empty: [0, 3],
  inputs: ([rows, classes]: Rows) => ({
    z: normalHost("z", rows, classes),
    // every fifth row does not count
    labels: {
      shape: [rows],
      values: Int32Array.from({ length: rows }, (_, i) => (i % 5 === 4 ? IGNORED : (i * 31) % classes))
    }
  }),
  run: ({ z, labels }) => sparseCrossEntropy(matrix(z), vector(labels)),
  differentiable: ["z"],
  functions: ["crossEntropyStatistics", "crossEntropyBackward"],
  shaders: ["parts", "share", "statistics", "loss", "slopes"].map((part) => `CrossEntropy ${part}`)
})

interface Head {
  readonly tokens: number
  readonly width: number
  readonly vocabulary: number
  readonly softcap: number | null
}

describeLaws({
  name: "a head and its cross-entropy",
  sizes: [
    { tokens: 7, width: 6, vocabulary: 5, softcap: null },
    { tokens: 1, width: 1, vocabulary: 3, softcap: 2 },
    { tokens: 11, width: 9, vocabulary: 33, softcap: 3 },
    // more rows of W than a product takes at a time
    { tokens: 4, width: 3, vocabulary: 4099, softcap: null },
    // more rows than a chunk of logits has
    { tokens: 1203, width: 2, vocabulary: 5, softcap: null }
  ],
  large: { tokens: 1301, width: 45, vocabulary: 131, softcap: 4 },
  empty: { tokens: 0, width: 4, vocabulary: 3, softcap: null },
  inputs: ({ tokens, width, vocabulary }: Head) => ({
    hidden: normalHost("hidden", tokens, width),
    weight: normalHost("weight", vocabulary, width),
    labels: {
      shape: [tokens],
      values: Int32Array.from({ length: tokens }, (_, i) => (i % 5 === 4 ? IGNORED : (i * 31) % vocabulary))
    }
  }),
  run: ({ hidden, weight, labels }, { softcap }) =>
    linearCrossEntropy(matrix(hidden), matrix(weight), vector(labels), { softcap }),
  differentiable: ["hidden", "weight"],
  functions: ["logitRows", "nt", "nn", "tn"],
  shaders: [
    "CrossEntropy parts",
    ...["share", "statistics", "slopes", "loss"].map((part) => `CrossEntropy ${part}`),
    "LinearCrossEntropy counted"
  ]
})

type Layer = readonly [tokens: number, inputs: number, out: number, rank: number]

const layers = {
  sizes: [
    [5, 8, 8, 2],
    [7, 3, 17, 3],
    [1, 6, 5, 1],
    [16, 33, 4, 4],
    [13, 65, 26, 8]
  ],
  large: [97, 131, 129, 8],
  empty: [0, 6, 5, 2],
  inputs: ([tokens, inputs, out, rank]: Layer) => ({
    x: normalHost("x", tokens, inputs),
    W: normalHost("W", out, inputs),
    bias: normalHost("bias", out),
    A: normalHost("A", rank, inputs),
    B: normalHost("B", out, rank)
  })
} as const satisfies object

/** Without what a layer does not read. */
const plainInputs = (size: Layer) => {
  const { x, W, bias } = layers.inputs(size)
  return { x, W, bias }
}

describeLaws({
  ...layers,
  name: "a dense linear layer",
  inputs: plainInputs,
  run: ({ x, W, bias }) => denseLinear(matrix(x), matrix(W), vector(bias)),
  differentiable: ["x", "W", "bias"],
  functions: ["nt", "nn", "tn"],
  shaders: ["Product nt", "Product nn", "Product tn"]
})

describeLaws({
  ...layers,
  name: "a frozen linear layer",
  inputs: plainInputs,
  run: ({ x, W, bias }) => frozenLinear(matrix(x), matrix(W), vector(bias)),
  differentiable: ["x", "bias"],
  functions: ["nt", "nn"],
  shaders: ["Product nt", "Product nn"]
})

describeLaws({
  ...layers,
  name: "a linear layer with LoRA",
  run: ({ x, W, bias, A, B }) => loraLinear(matrix(x), matrix(W), vector(bias), matrix(A), matrix(B), 1.5),
  differentiable: ["x", "A", "B"],
  functions: ["nt", "nn", "tn"],
  shaders: ["Product nt", "Product nn", "Product nn & Product tn"]
})

for (const [name, reduce] of [
  ["sum", tf.sum],
  ["mean", tf.mean]
] as const) {
  for (const axis of [0, 1, 2]) {
    describeLaws({
      name: `tfjs's ${name} over axis ${axis}`,
      sizes: [
        [3, 5, 7],
        [1, 9, 1],
        [17, 4, 33]
      ],
      // rows so long that each is several chunks
      large: axis === 2 ? [1, 3, 70_001] : [4, 300, 130],
      empty: [2, 3, 4].with(axis, 0),
      inputs: (shape: ReadonlyArray<number>) => ({ x: normalHost("x", ...shape) }),
      run: ({ x }) => reduce(x, axis),
      differentiable: ["x"],
      functions: [axis === 2 ? "sumRows" : "sumColumns"],
      shaders: ["Sum"]
    })
  }
}

describeLaws({
  name: "tfjs's transposition",
  sizes: [
    [2, 5, 7],
    [1, 1, 9],
    [3, 33, 37],
    [1, 64, 32]
  ],
  large: [3, 301, 130],
  empty: [0, 3, 4],
  inputs: (shape: ReadonlyArray<number>) => ({ x: normalHost("x", ...shape) }),
  run: ({ x }) => tf.transpose(x, [0, 2, 1]),
  differentiable: ["x"],
  functions: ["transpose"]
})

interface Lookup {
  readonly table: number
  readonly width: number
  readonly ids: number
}

/** Some rows twice, some never. */
const idsOf = ({ table, ids }: Lookup): Host => ({
  shape: [ids],
  values: Int32Array.from({ length: ids }, (_, i) => (i * 7) % Math.max(1, Math.ceil(table / 2)))
})
const lookups = {
  sizes: [
    { table: 9, width: 5, ids: 13 },
    { table: 1, width: 1, ids: 1 },
    { table: 31, width: 64, ids: 7 }
  ],
  large: { table: 41, width: 330, ids: 501 },
  empty: { table: 4, width: 3, ids: 0 }
} as const satisfies object

describeLaws({
  ...lookups,
  name: "tfjs's gather",
  inputs: (size: Lookup) => ({ x: normalHost("table", size.table, size.width), ids: idsOf(size) }),
  run: ({ x, ids }) => tf.gather(x, ids as Tensor1D),
  differentiable: ["x"],
  functions: ["gather", "segmentSum"],
  shaders: ["Gather", "Segment links", "Segment sum"]
})

describeLaws({
  ...lookups,
  name: "tfjs's sum of segments",
  inputs: (size: Lookup) => ({ x: normalHost("rows", size.ids, size.width), ids: idsOf(size) }),
  run: ({ x, ids }, { table }) => tf.unsortedSegmentSum(x, ids as Tensor1D, table),
  differentiable: ["x"],
  smears:
    "tfjs's cpu backend multiplies every row by 0 for the segments that it is not in; see device/wasm-kernels.processes.ts",
  // its gradient's gather is behind others of tfjs's
  functions: ["segmentSum"],
  shaders: ["Segment links", "Segment sum", "Gather"]
})

for (const [tA, tB] of [
  [false, false],
  [false, true],
  [true, false],
  [true, true]
] as const) {
  describeLaws({
    name: `tfjs's product of matrices, transposed ${tA}, ${tB}`,
    sizes: [
      [1, 5, 7, 3],
      [3, 1, 1, 1],
      [2, 17, 33, 13],
      [1, 24, 8, 36]
    ],
    large: [1, 131, 67, 97],
    empty: [0, 3, 4, 5],
    inputs: ([batch, m, k, n]: readonly [number, number, number, number]) => ({
      a: normalHost("a", batch, ...(tA ? [k, m] : [m, k])),
      b: normalHost("b", batch, ...(tB ? [n, k] : [k, n]))
    }),
    run: ({ a, b }) => tf.matMul(a, b, tA, tB),
    differentiable: ["a", "b"],
    functions: [tA ? "tn" : tB ? "nt" : "nn"],
    shaders: [`Product ${tA ? "t" : "n"}${tB ? "t" : "n"}`]
  })
}

testEveryKernelHasItsRow(before, {
  Adam: "src/kernels/adam.test.ts",
  BinaryCrossEntropy: "src/kinds/encoder/heads.test.ts",
  ClippedRelu: "src/kernels/picture-kernels.test.ts",
  ClippedReluBackward: "src/kernels/picture-kernels.test.ts",
  Combination: "src/kernels/combination.test.ts",
  DepthwiseConvolution: "src/kernels/picture-kernels.test.ts",
  DepthwiseConvolutionBackward: "src/kernels/picture-kernels.test.ts",
  DepthwiseConvolutionFilterGradient: "src/kernels/picture-kernels.test.ts",
  Dequantize: "src/kernels/dequantize.test.ts",
  Dropout: "src/kernels/dropout.test.ts",
  FrozenLinearBackward: "src/kernels/packed-linear.test.ts",
  Lion: "src/optimizers/lion.test.ts",
  LogOneMinusExp: "src/kinds/language/preference/goldens.test.ts",
  LoraLinears: "src/kernels/webgpu/lora-linears.webgpu.ts",
  LoraLinearsGradient: "src/kernels/webgpu/lora-linears.webgpu.ts",
  LoraPro: "src/kernels/lora-pro.test.ts",
  LoraProAdam: "src/kernels/lora-pro.test.ts",
  MaxPooling: "src/kernels/picture-kernels.test.ts",
  MaxPoolingBackward: "src/kernels/picture-kernels.test.ts",
  MeanSquaredError: "src/kinds/encoder/heads.test.ts",
  Multiple: "src/kernels/combination.test.ts",
  Orthogonality: "src/training/penalty.test.ts",
  Patches: "src/kernels/picture-kernels.test.ts",
  PatchesBackward: "src/kernels/picture-kernels.test.ts",
  Penalised: "src/training/penalty.test.ts",
  PutRows: "src/kernels/put-rows.test.ts",
  Scaled: "src/kernels/combination.test.ts",
  SquaredNorms: "src/kernels/squared-norms.test.ts",
  TokenScores: "src/kernels/linear-cross-entropy.test.ts"
})
