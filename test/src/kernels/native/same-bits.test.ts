/** Kernels that say that machine code gives wasm's bits: they do, whatever the instruction set. */
import { expect, test } from "bun:test"
import { declaredKernels } from "../../../../src/kernels/index.ts"
import "../../../../src/kernels/wasm/index.ts"
import { PACKING_WORDS } from "../../../../src/kernels/wasm/product.ts"
import { type WINDOW_WORDS, type Window, windowWords } from "../../../../src/kernels/window.ts"
import { BLOCK, type Packing, PER_WORD, wordsOfRow } from "../../../../src/numbers/index.ts"
import { normals } from "../float64.ts"
import { type Call, libraries, runBoth } from "./both.ts"

type Given = Omit<Call, "kernel">

/** Rows of less than a vector, of no whole number of vectors, and longer than a short piece. */
const WIDTHS = [1, 3, 16, 37, 130]

/** Every row once, and one of them twice. */
const idsOf = (rows: number) => Int32Array.from({ length: rows }, (_, i) => (i * 5) % (rows - 1))

const windows: ReadonlyArray<readonly [shape: readonly [number, number, number, number], window: Window]> = [
  [[2, 5, 4, 3], { kernel: [3, 3], strides: [1, 1], dilation: [1, 1], padding: "same" }],
  [[1, 8, 9, 17], { kernel: [2, 3], strides: [3, 2], dilation: [1, 1], padding: "valid" }],
  [[2, 8, 7, 33], { kernel: [3, 3], strides: [1, 1], dilation: [2, 2], padding: "same" }]
]

/** `x`, `y`, patches and their gradients are given as far as a kernel has them. */
const overWindows = (
  buffers: (sizes: { readonly pixels: number; readonly places: number; readonly patches: number }) => Given["given"],
  counted: (words: Readonly<Record<keyof typeof WINDOW_WORDS, number>>) => Readonly<Record<string, number>>
): ReadonlyArray<Given> =>
  windows.map(([shape, window]) => {
    const words = windowWords(shape, window)
    const places = words.batch * words.rows * words.columns * words.channels
    const pixels = shape.reduce((size, n) => size * n, 1)
    return {
      given: buffers({ pixels, places, patches: places * words.kernelHeight * words.kernelWidth }),
      words: { ...words, ...counted(words) }
    }
  })

/** Halves that are numbers; bytes; and blocks whose first word is two halves. */
const packedWords = (packing: Packing, rows: number, columns: number): Int32Array => {
  const length = wordsOfRow(packing, columns)
  const block = BLOCK[packing]
  const halves = (i: number) => packing === "f16" || (block !== null && i % (1 + block / PER_WORD[packing]) === 0)
  return Int32Array.from({ length: rows * length }, (_, i) => {
    const bits = Math.imul(i + 1, 0x9e3779b1)
    return halves(i) ? bits & 0xbbffbbff : bits
  })
}

const calls: Readonly<Record<string, ReadonlyArray<Given>>> = {
  gather: WIDTHS.map((width) => ({
    given: { x: normals(7 * width, "x"), ids: idsOf(7), out: 28 * width },
    words: { rows: 7, width }
  })),
  segmentSum: WIDTHS.map((width) => ({
    given: { x: normals(9 * width, "x"), ids: idsOf(9), out: 24 * width },
    words: { rows: 9, width, segments: 6 }
  })),
  gatherRows: WIDTHS.map((width) => ({
    given: { from: normals(7 * width, "x"), to: 12 * width },
    words: { width },
    entries: [0, 3, 6].map((row) => ({ given: {}, words: { row } }))
  })),
  placeRows: WIDTHS.map((width) => ({
    given: { from: normals(3 * width, "x"), to: normals(9 * width, "to") },
    words: { width, first: 1, end: 8 },
    entries: [1, 4, 5].map((row) => ({ given: {}, words: { row } }))
  })),
  transpose: [
    [1, 1],
    [5, 37],
    [48, 64],
    [33, 70]
  ].map(([m, n]) => ({
    given: { x: normals(2 * m! * n!, "x"), out: 8 * m! * n! },
    words: { m: m!, n: n!, perChunk: 20 },
    chunks: 2 * Math.ceil(n! / 20)
  })),
  patches: overWindows(
    ({ pixels, patches }) => ({ x: normals(pixels, "x"), out: 4 * patches }),
    ({ batch, rows }) => ({ lines: batch * rows })
  ),
  patchesBackward: overWindows(
    ({ pixels, patches }) => ({ dy: normals(patches, "dy"), dx: 4 * pixels }),
    ({ batch, height }) => ({ lines: batch * height })
  ),
  maxPoolingBackward: overWindows(
    ({ pixels, places }) => ({
      x: normals(pixels, "x").map(Math.round),
      // a number that windows have, and often more than once
      y: new Float32Array(places).fill(1),
      dy: normals(places, "dy"),
      dx: 4 * pixels
    }),
    () => ({})
  ),
  dequantize: (["f16", "int8", "q4", "q8"] as const).flatMap((packing) =>
    WIDTHS.map((columns) => ({
      given: { packed: packedWords(packing, 3, columns), scales: Float32Array.of(1, 4, 2), whole: 12 * columns },
      words: { rows: 3, columns, length: wordsOfRow(packing, columns), packing: PACKING_WORDS[packing] }
    }))
  ),
  combineSums: [
    {
      given: { parts: Float64Array.from(normals(6, "parts")), out: 8 },
      words: { outer: 2, reduced: 150, block: 64, divisor: 7 }
    }
  ],
  squaredNorms: [
    {
      given: { parts: Float64Array.from(normals(4, "parts")), norms: 8 },
      words: {},
      entries: [40_000, 5].map((size) => ({ given: {}, words: { size } }))
    }
  ]
}

const kernels = declaredKernels().filter(({ sameBits }) => sameBits)

test("every kernel that says so has its calls here", () => {
  expect(kernels.map(({ name }) => name).sort()).toEqual(Object.keys(calls).sort())
})

test.each(kernels.map((kernel) => [kernel.name, kernel] as const))("%s", (name, kernel) => {
  for (const call of calls[name]!) {
    const { wasm, native } = runBoth({ kernel, ...call })
    expect([...native.keys()]).toEqual(libraries.map(({ instructions }) => instructions))
    const bits = (written: typeof wasm) => Object.values(written).map(({ buffer }) => new Uint32Array(buffer))
    expect(bits(wasm).length).toBeGreaterThan(0)
    for (const written of native.values()) expect(bits(written)).toEqual(bits(wasm))
  }
})
