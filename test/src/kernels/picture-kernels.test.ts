/** The kernels that layers of pictures need, under the laws of `laws.ts`. */
import type { Tensor4D } from "@tensorflow/tfjs"
import { clippedRelu } from "../../../src/kernels/clipped-relu.ts"
import { depthwiseConvolution } from "../../../src/kernels/depthwise-convolution.ts"
import { maxPooling } from "../../../src/kernels/max-pooling.ts"
import { patches } from "../../../src/kernels/patches.ts"
import type { Window } from "../../../src/kernels/window.ts"
import { describeLaws, normalHost } from "./laws.ts"

interface Size {
  /** few different numbers, so that a window has its maximum several times */
  readonly ties?: true

  /** [batch, height, width, channels] */
  readonly x: readonly [number, number, number, number]
  readonly window: Window
  /** filters of a channel */
  readonly filters?: number
}

const window = (kernel: number, changes: Partial<Window> = {}): Window => ({
  kernel: [kernel, kernel],
  strides: [1, 1],
  dilation: [1, 1],
  padding: "same",
  ...changes
})

const sizes = [
  { x: [2, 5, 4, 3], window: window(3) },
  { x: [1, 6, 7, 5], window: window(2, { padding: "valid" }) },
  { x: [2, 7, 6, 4], window: window(3, { strides: [2, 2] }) },
  // pixels behind the last place, and another stride and kernel on each axis
  { x: [1, 8, 9, 2], window: window(3, { padding: "valid", strides: [3, 2], kernel: [2, 3] }) }
] as const satisfies ReadonlyArray<Size>

const dilated = { x: [2, 8, 7, 3], window: window(3, { dilation: [2, 2] }) } as const satisfies Size
const large: Size = { x: [17, 16, 15, 6], window: window(3) }
const empty: Size = { x: [0, 5, 4, 3], window: window(3) }

describeLaws<"x", Size>({
  name: "patches",
  sizes: [
    ...sizes,
    dilated,
    { x: [2, 9, 1, 3], window: { ...window(3, { padding: "causal" }), kernel: [3, 1], dilation: [2, 1] } },
    // a kernel larger than the picture
    { x: [1, 2, 2, 1], window: window(5) }
  ],
  large,
  empty,
  inputs: ({ x }) => ({ x: normalHost("x", ...x) }),
  run: ({ x }, { window }) => patches(x as Tensor4D, window),
  differentiable: ["x"],
  functions: ["patches", "patchesBackward"]
})

describeLaws<"x" | "K", Size>({
  name: "depthwise convolution",
  sizes: [...sizes, dilated, { ...sizes[0], filters: 2 }],
  large,
  empty,
  inputs: ({ x, window: { kernel }, filters = 1 }) => ({
    x: normalHost("x", ...x),
    K: normalHost("K", ...kernel, x[3], filters)
  }),
  run: ({ x, K }, { window }) => depthwiseConvolution(x as Tensor4D, K as Tensor4D, window),
  differentiable: ["x", "K"],
  functions: ["depthwiseBackward", "depthwiseFilterGradient"],
  smears: "0 · ∞ in the padding, which tfjs's kernels skip or not, each in its own way"
})

describeLaws<"x", Size>({
  name: "maximum over windows",
  sizes: [...sizes],
  steep: [{ ...sizes[0], ties: true }],
  large,
  empty,
  inputs: ({ x, ties }) => {
    const host = normalHost("x", ...x)
    return { x: ties === true ? { ...host, values: host.values.map(Math.round) } : host }
  },
  run: ({ x }, { window }) => maxPooling(x as Tensor4D, window),
  differentiable: ["x"],
  functions: ["maxPoolingBackward"],
  smears: "tfjs's own forward pass skips what is not a number on cpu and passes it on on wasm"
})

describeLaws<"x", readonly [rows: number, width: number]>({
  name: "ReLU up to a value",
  sizes: [
    [3, 7],
    [1, 1],
    [8, 64]
  ],
  large: [3, 22_017],
  empty: [0, 5],
  // no number so near to 0 or to 0.75 that a difference is no derivative
  inputs: (size) => {
    const host = normalHost("clipped", ...size)
    return { x: { ...host, values: host.values.map((x) => Math.round(8 * x) / 8 + 1 / 16) } }
  },
  run: ({ x }) => clippedRelu(x, 0.75),
  differentiable: ["x"],
  functions: ["clippedReluBackward"],
  smears: "of what is not a number tfjs's own forward pass makes 0 on wasm, and nothing else on cpu"
})
