/** Cross-entropy, the logits of a head, and rotary positions in machine code, beside wasm's numbers and float64's. */
import { describe, expect, test } from "bun:test"
import { declaredKernels, IGNORED } from "../../../../src/kernels/index.ts"
import { expectClose } from "../../../setup.ts"
import { normals } from "../float64.ts"
import { runBoth, type Written } from "./both.ts"

/** An exponential and a sum of some thousand of them in vectors: a few roundings. */
const BOUND = 2e-6

const declared = (name: string) => declaredKernels().find((kernel) => kernel.name === name)!

/** Each library's answer beside wasm's. */
const forEachLibrary = (
  { wasm, native }: ReturnType<typeof runBoth>,
  check: (actual: Written, wasm: Written) => void
): void => {
  expect(native.size).toBeGreaterThan(0)
  for (const actual of native.values()) check(actual, wasm)
}

/** 1, less than a vector, no whole number of vectors, and many. */
const CLASSES = [1, 2, 3, 17, 33, 1000]
const ROWS = 5

/** A label of each kind: classes, one that does not count, and one that is no class. */
const labelsOf = (classes: number, wrong: boolean) =>
  Int32Array.from({ length: ROWS }, (_, i) => (i === 2 ? IGNORED : i === 3 && wrong ? classes : (i * 7) % classes))

const softmax = (z: ReadonlyArray<number>) => {
  const most = Math.max(...z)
  const sum = z.reduce((total, x) => total + Math.exp(x - most), 0)
  return { most, sum, p: z.map((x) => Math.exp(x - most) / sum) }
}

describe("cross-entropy", () => {
  for (const classes of CLASSES)
    test(`${classes} classes`, () => {
      const z = normals(ROWS * classes, `z${classes}`, 3)
      const labels = labelsOf(classes, false)
      const rows = Array.from({ length: ROWS }, (_, i) => softmax(Array.from(z.slice(i * classes, (i + 1) * classes))))
      const words = { rows: ROWS, classes }
      const statistics = runBoth({
        kernel: declared("crossEntropyStatistics"),
        given: { z, statistics: 8 * ROWS },
        words
      })
      const exact = rows.flatMap(({ most, sum }) => [most, sum])
      forEachLibrary(statistics, (actual, wasm) => {
        expectClose(actual["statistics"]!, exact, BOUND)
        expectClose(actual["statistics"]!, wasm["statistics"]!, BOUND)
      })
      const dy = Float32Array.of(1.5)
      const given = { dy, z, labels, statistics: statistics.wasm["statistics"]!, dz: z.byteLength }
      const backward = runBoth({
        kernel: declared("crossEntropyBackward"),
        given,
        words: { ...words, ignored: IGNORED }
      })
      const dz = rows.flatMap(({ p }, i) =>
        p.map((x, j) => (labels[i] === IGNORED ? 0 : ((x - (labels[i] === j ? 1 : 0)) * 1.5) / (ROWS - 1)))
      )
      forEachLibrary(backward, (actual, wasm) => {
        // relative to the largest number of a gradient of more than one class: of one class it is 0 up to rounding
        const all = (x: ArrayLike<number>) => [...Array.from(x), 0.3]
        expectClose(all(actual["dz"]!), all(dz), BOUND)
        expectClose(all(actual["dz"]!), all(wasm["dz"]!), BOUND)
      })
    })

  test("a label that is no class makes its row NaN, and no other", () => {
    const z = normals(ROWS * 20, "wrong")
    const labels = labelsOf(20, true)
    const statistics = Float32Array.from({ length: 2 * ROWS }, (_, i) => (i % 2 === 0 ? 2 : 9))
    const given = { dy: Float32Array.of(1), z, labels, statistics, dz: z.byteLength }
    const words = { rows: ROWS, classes: 20, ignored: IGNORED }
    forEachLibrary(runBoth({ kernel: declared("crossEntropyBackward"), given, words }), ({ dz }) =>
      expect(Array.from(dz!, Number.isNaN)).toEqual(Array.from(dz!, (_, at) => Math.floor(at / 20) === 3))
    )
  })
})

describe("rows of logits", () => {
  for (const classes of CLASSES)
    for (const cap of [0, 4])
      for (const slopes of [0, 1])
        test(`${classes} classes, ${cap === 0 ? "no cap" : "a cap"}, ${slopes === 0 ? "losses" : "slopes"}`, () => {
          const stride = classes + 3
          const z = normals(ROWS * stride, `logits${classes}`, 3)
          const share = 0.25
          const label = (i: number) => (i === 3 ? classes : (i * 7) % classes)
          const losses = new Float32Array(2 * ROWS).fill(-1)
          const answer = runBoth({
            kernel: declared("logitRows"),
            given: { logits: z, losses, correct: losses.slice() },
            words: { classes, cap, share, slopes, stride },
            entries: Array.from({ length: ROWS }, (_, i) => ({ given: {}, words: { row: 2 * i, label: label(i) } })),
            perChunk: 2,
            chunks: Math.ceil(ROWS / 2)
          })
          const rows = Array.from({ length: ROWS }, (_, i) => {
            const c = Array.from(z.slice(i * stride, i * stride + classes), (x) =>
              cap === 0 ? x : cap * Math.tanh(x / cap)
            )
            return { c, ...softmax(c) }
          })
          forEachLibrary(answer, (actual, wasm) => {
            const [found, right] = [actual["losses"]!, actual["correct"]!]
            rows.forEach(({ c, p, most }, i) => {
              if (i === 3) expect([found[6], right[6]]).toEqual([Number.NaN, 0])
              else {
                expect(Math.abs(found[2 * i]! + Math.log(p[label(i)]!))).toBeLessThan(BOUND * 10)
                expect(right[2 * i]).toBe(c[label(i)] === most ? 1 : 0)
              }
              // what is not in the list stays
              expect([found[2 * i + 1], right[2 * i + 1]]).toEqual([-1, -1])
              const own = Array.from(actual["logits"]!.slice(i * stride, i * stride + classes))
              const wide = (x: ReadonlyArray<number>) => [...x, 0.3]
              if (slopes === 0) expectClose(wide(own), wide(c), BOUND)
              else if (i === 3) expect(own.every(Number.isNaN)).toBe(true)
              else {
                const exact = p.map(
                  (x, j) => share * (x - (j === label(i) ? 1 : 0)) * (cap === 0 ? 1 : 1 - (c[j]! / cap) ** 2)
                )
                expectClose(wide(own), wide(exact), BOUND)
              }
            })
            expectClose(
              actual["logits"]!.filter((_, at) => Math.floor(at / stride) !== 3),
              wasm["logits"]!.filter((_, at) => Math.floor(at / stride) !== 3),
              BOUND
            )
          })
        })

  test("of two largest logits the first is the answer", () => {
    const logits = Float32Array.of(1, 5, 0, 5, 2)
    const given = { logits, losses: new Float32Array(2), correct: new Float32Array(2) }
    const answer = (label: number) =>
      runBoth({
        kernel: declared("logitRows"),
        given,
        words: { classes: 5, cap: 0, share: 1, slopes: 0, stride: 5 },
        entries: [{ given: {}, words: { row: 0, label } }],
        perChunk: 1,
        chunks: 1
      })
    forEachLibrary(answer(1), ({ correct }) => expect(correct![0]).toBe(1))
    forEachLibrary(answer(3), ({ correct }) => expect(correct![0]).toBe(0))
  })
})

describe("rope", () => {
  for (const [tokens, heads, d] of [
    [1, 1, 2],
    [5, 3, 8],
    [7, 2, 64],
    [33, 2, 80],
    [3, 1, 34]
  ] as const)
    for (const direction of [1, -1])
      test(`${tokens} tokens, ${heads} heads of ${d}, ${direction === 1 ? "forth" : "back"}`, () => {
        const x = normals(tokens * heads * d, `rope${d}`)
        const angle = (i: number) => Math.floor(i / d) * 10000 ** (-(i % (d / 2)) / (d / 2))
        const [cos, sin] = [Math.cos, Math.sin].map((f) =>
          Float32Array.from({ length: tokens * d }, (_, i) => f(angle(i)))
        )
        const exact = Array.from(x, (own, at) => {
          const j = at % d
          const angles = Math.floor(at / (heads * d)) * d + j
          const across = j < d / 2 ? -x[at + d / 2]! : x[at - d / 2]!
          return own * cos![angles]! + direction * across * sin![angles]!
        })
        const given = { x, cos: cos!, sin: sin!, out: x.byteLength }
        forEachLibrary(
          runBoth({ kernel: declared("rope"), given, words: { tokens, heads, d, direction } }),
          (actual, wasm) => {
            expectClose(actual["out"]!, exact, BOUND)
            expectClose(actual["out"]!, wasm["out"]!, BOUND)
          }
        )
      })
})
