/**
 * Laws of an adapter method (adapters/adapter.ts), run over the table `methods`. A method that is added there and not here does
 * not compile. `null`, the head alone, adapts no site and has nothing to prove.
 *
 *   1  at its start, an adapted site computes what the base computes; with an init whose facts say otherwise (LoRA-One), what the base and
 *      the init's own s·BA compute
 *   2  forward(x) = x·merge(W)ᵀ + bias
 *   3  forward and merge are pure: same input, same bits, inputs untouched, no tensor left behind
 *   4  gradients equal finite differences, for the parameters and for x
 *   5  a site's start depends on the seed, its name and its rank alone; two sites with equal weights start apart
 *   6  with a mask: forward(x) = base(x) + forward(D(x)) − base(D(x)), the last two without it; and 1, 3 and 4
 *
 * Laws 1 to 4 and 6 over a base in float32 and over packed ones (`model.weights`), which are what their words say and not what they came from.
 */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { doraLinear, rowLengths } from "../../adapters/dora.ts"
import { type AdaloraOptions, type AdapterMethod, type BaseLayer, inject, methods } from "../../adapters/index.ts"
import type { Calibrate } from "../../adapters/init/calibration.ts"
import type { LoraOptions } from "../../adapters/lora.ts"
import { initFacts } from "../../schemas/adapter-init.ts"
import { factsOfInit, type LoraInit } from "../../schemas/index.ts"
import { frozenLinear } from "../../src/kernels/dense-linear.ts"
import { dequantized } from "../../src/kernels/dequantize.ts"
import { type DropoutMask, dropout } from "../../src/kernels/dropout.ts"
import { type PackedHostMatrix, packMatrix } from "../../src/numbers/index.ts"
import { gaussian, randomStream } from "../../src/numbers/random.ts"
import { valueAndGradients } from "../../src/tensors/gradients.ts"
import { type FrozenMatrix, tensorsOfMatrix, uploadPacked } from "../../src/tensors/index.ts"
import {
  frozenOf,
  type LinearSite,
  mapTensors,
  type Trainable,
  tensorsOf,
  withTensors
} from "../../src/tensors/trainable.ts"
import { toyModel } from "../adapters/toy-model.ts"
import { describeOnBoth } from "../backends.ts"
import { expectClose, expectNoLeak, relativeError, tolerance } from "../setup.ts"

const loraOptions = (changes: Partial<LoraOptions>): LoraOptions => ({
  rank: 3,
  alpha: 6,
  scaling: "standard",
  init: { kind: "kaiming" },
  ...changes
})

const adaloraOptions = (changes: Partial<AdaloraOptions>): AdaloraOptions => ({
  rank: 2,
  alpha: 6,
  budget: { start: 0.1, end: 0.7, every: 10 },
  sensitivityBetas: [0.85, 0.85],
  orthogonality: 0.5,
  ...changes
})

/** Options to run each method's laws with. */
const cases = {
  lora: {
    kaiming: loraOptions({}),
    "gaussian, rank-stabilized": loraOptions({ init: { kind: "gaussian" }, scaling: "rank-stabilized" }),
    "rank 1": loraOptions({ rank: 1 }),
    "full rank": loraOptions({ rank: 5, alpha: 1 }),
    orthogonal: loraOptions({ rank: 4, init: { kind: "orthogonal" } }),
    pissa: loraOptions({ init: { kind: "pissa" } }),
    "pissa, full rank": loraOptions({ rank: 5, alpha: 1, init: { kind: "pissa" }, scaling: "rank-stabilized" }),
    "lora-ga": loraOptions({ rank: 2, init: { kind: "lora-ga", batches: 1, gamma: 16, direction: "ArB2r" } }),
    "lora-one": loraOptions({ init: { kind: "lora-one", batches: 1, gamma: 128 }, scaling: "rank-stabilized" }),
    // bounds that hold the rank where it is: law 5 is of sites of one rank
    gora: loraOptions({ init: { kind: "gora", batches: 1, gamma: 1, minRank: 3, maxRank: 3 } }),
    eva: loraOptions({ init: { kind: "eva", batches: 1 } })
  },
  dora: {
    kaiming: loraOptions({}),
    "gaussian, rank-stabilized": loraOptions({ init: { kind: "gaussian" }, scaling: "rank-stabilized" })
  },
  adalora: {
    "": adaloraOptions({}),
    "no rank given up": adaloraOptions({ initialRank: 2 }),
    "full rank": adaloraOptions({ initialRank: 5, alpha: 1 })
  },
  vera: {
    "": { rank: 4, dInitial: 0.1, projectionKey: 0 },
    "rank above W's": { rank: 8, dInitial: 0.5, projectionKey: 1 }
  },
  loha: {
    "r² within W's sides": { rank: 2, alpha: 3 },
    "r² above them": { rank: 3, alpha: 6 }
  },
  full: { "": {} }
} satisfies { readonly [Name in Exclude<keyof typeof methods, "none">]: Readonly<Record<string, object>> }

/** Laws that a method does not keep, with the reason. */
const exceptions: { readonly [Name in keyof typeof cases]: { readonly [Law in "bias" | "randomness"]?: string } } = {
  lora: {},
  dora: {},
  adalora: {},
  vera: { randomness: "starts at constants, around matrices of the plan's key: equal weights start equal" },
  loha: {},
  full: {
    bias: "trains its bias, which merge does not return: what the site computes at x = 0 is no longer the base's",
    randomness: "starts at W: no random numbers, so equal weights start equal"
  }
}

/** Starts without random numbers, with the reason: two sites with equal weights start equal. */
const unseeded: Readonly<Record<string, string>> = {
  "lora, pissa": "starts at the singular directions of W",
  "lora, pissa, full rank": "starts at the singular directions of W",
  "lora, lora-ga":
    "starts at the singular directions of the gradient, which is the same here for every site of a shape",
  "lora, lora-one": "starts along the gradient, which is the same here for every site of a shape",
  "lora, eva": "starts at the directions of the inputs, which are the same here for every site of a width"
}

/** Starts that are not the base, with the reason (`startsAsBase` of the init's facts): the base and s·BA. */
const startsAway = (options: object): string | undefined => {
  const init = "init" in options ? (options.init as LoraInit) : undefined
  const fact = init === undefined ? undefined : factsOfInit(init).startsAsBase
  return fact === undefined || fact.holds ? undefined : fact.because
}

/** Data that shows the same at every site of a shape. */
const observed: Calibrate = ({ out, in: inputs }, { what }) =>
  Effect.sync(() => {
    const rows = what === "gradient" ? out : inputs
    const stream = randomStream(0, "observed", rows, inputs)
    const values = Float32Array.from({ length: rows * inputs }, () => gaussian(stream))
    const matrix = tf.tensor2d(values, [rows, inputs])
    return what === "gradient" ? matrix : tf.tidy(() => tf.matMul(matrix, matrix, true, false))
  })

/** The function that a method's gradient at a point belongs to, where the gradient holds something fixed there. */
const heldFixed: {
  readonly [Name in keyof typeof cases]?: (
    at: Trainable,
    base: BaseLayer,
    mask: DropoutMask | undefined
  ) => (trained: Trainable, x: tf.Tensor2D) => tf.Tensor2D
} = {
  // the lengths of the rows
  dora: (at, base, mask) => {
    const lengths = rowLengths(base, at.pairs[0]!)
    return (trained, x) => doraLinear(trained, x, base, lengths, mask)
  }
}

// A forward pass is two products and a sum, merge·x another product; gradients once more, and differences of sums over tokens.
const PRODUCTS = 5 * tolerance.operation
// (L(p + D) − L(p − D)) / 2 is exact for a forward pass of degree 2 in p, whatever the size of D. Only roundings are left: those of
// L, which is a sum over tokens·out values and up to ten times as large as the difference.
const DIFFERENCES = 2e-5

const TOKENS = 7
const site: LinearSite = { name: "some.site", kind: "dense", out: 9, in: 5 }

const random = randomStream(0, "laws")
const normal = (shape: ReadonlyArray<number>): tf.Tensor => {
  const size = shape.reduce((product, n) => product * n, 1)
  return tf.tensor(
    Float32Array.from({ length: size }, () => gaussian(random)),
    [...shape]
  )
}

interface Subject {
  readonly options: object
  readonly base: BaseLayer
  readonly x: tf.Tensor2D
  readonly start: Trainable
  /** parameters as they are some steps later: every tensor has moved */
  readonly later: Trainable
}

type AnyMethod = AdapterMethod<object>

const forms = ["f32", "f16", "int8"] as const
type Form = (typeof forms)[number]

const baseWeight = async (form: Form): Promise<FrozenMatrix> => {
  const W = normal([site.out, site.in]) as tf.Tensor2D
  if (form === "f32") return W
  const packed = packMatrix(form, (await W.data()) as Float32Array, [site.out, site.in])
  W.dispose()
  return uploadPacked(packed as PackedHostMatrix)
}

const subjectOf = async (method: AnyMethod, options: object, form: Form, bias: boolean): Promise<Subject> => {
  const base = { W: await baseWeight(form), bias: bias ? (normal([site.out]) as tf.Tensor1D) : null }
  const own = await Effect.runPromise(
    method.init(site, options, { ...base, random: randomStream(0, site.name), calibrate: observed })
  )
  const start = method.shared === null ? own : { ...own, shared: method.shared.tensors([{ site, options }]) }
  const later = mapTensors((t) => tf.tidy(() => tf.add(t, normal(t.shape))), start)
  return { options, base, x: normal([TOKENS, site.in]) as tf.Tensor2D, start, later }
}

const disposeSubject = ({ base, x, start, later }: Subject) =>
  tf.dispose([
    ...tensorsOfMatrix(base.W),
    ...(base.bias === null ? [] : [base.bias]),
    x,
    ...tensorsOf(start),
    ...frozenOf(start),
    ...tensorsOf(later)
  ])

/** s·xAᵀBᵀ */
const product = (x: tf.Tensor2D, { pairs: [pair] }: Trainable): tf.Tensor2D =>
  tf.mul(tf.matMul(tf.matMul(x, pair!.A, false, true), pair!.B, false, true), pair!.scale)

/** W + s·BA */
const withProduct = ({ W }: BaseLayer, { pairs: [pair] }: Trainable): tf.Tensor2D =>
  tf.add(dequantized(W), tf.mul(tf.matMul(pair!.B, pair!.A), pair!.scale))

const laws = (title: string, name: keyof typeof cases, method: AnyMethod, options: object) => {
  const withSubjects = async (check: (subject: Subject) => Promise<void>) => {
    for (const form of forms) {
      for (const bias of [true, false]) {
        const subject = await subjectOf(method, options, form, bias)
        await check(subject)
        disposeSubject(subject)
      }
    }
  }

  const away = startsAway(options)
  test(`${title}: 1 starts as the base${away === undefined ? "" : `, but for its own BA (an init ${away})`}`, () =>
    withSubjects(async ({ base, x, start }) => {
      expect(tensorsOf(start).length).toBeGreaterThan(0)
      const W = tf.tidy(() => (away === undefined ? dequantized(base.W).clone() : withProduct(base, start)))
      const expected = await frozenLinear(x, W, base.bias).data()
      expectClose(await method.forward({ site, options, part: start }, x, base).data(), expected, tolerance.operation)
      expectClose(await method.merge({ site, options, part: start }, base).data(), await W.data(), tolerance.operation)
      const plain = await dequantized(base.W).data()
      if (away !== undefined) expect(relativeError(await W.data(), plain)).toBeGreaterThan(1e-3)
      W.dispose()
    }))

  test(`${title}: 2 forward is x·merge(W)ᵀ + bias`, () =>
    withSubjects(async ({ base, x, later }) => {
      const W = method.merge({ site, options, part: later }, base)
      expect(W.shape).toEqual([site.out, site.in])
      const atZero = method.forward({ site, options, part: later }, tf.zeros([TOKENS, site.in]), base)
      const linearPart = tf.sub(method.forward({ site, options, part: later }, x, base), atZero)
      expectClose(await linearPart.data(), await tf.matMul(x, W, false, true).data(), PRODUCTS)
      const own = exceptions[name].bias === undefined ? base.bias : (later.dense[1]?.value ?? null)
      const expected = own === null ? tf.zeros([TOKENS, site.out]) : tf.tile(tf.expandDims(own, 0), [TOKENS, 1])
      expect(await atZero.data()).toEqual(await expected.data())
    }))

  test(`${title}: 3 pure`, () => withSubjects((subject) => expectPure(method, subject, undefined)))

  test(`${title}: 4 gradients equal finite differences`, () =>
    withSubjects((subject) => expectDerivatives(name, method, subject, undefined)))

  if (method.dropout === null) return
  test(`${title}: 6 with a mask`, () =>
    withSubjects(async (subject) => {
      const { base, x, start, later } = subject
      const plain = (input: tf.Tensor2D) => frozenLinear(input, base.W, base.bias)
      const D = dropout(x, mask)
      const begun = await method.forward({ site, options, part: start }, x, base, mask).data()
      const own = tf.tidy(() => (away === undefined ? plain(x) : tf.add(plain(x), product(D, start))))
      expectClose(begun, await own.data(), PRODUCTS)
      const added = tf.sub(method.forward({ site, options, part: later }, D, base), plain(D))
      const expected = await tf.add(plain(x), added).data()
      const actual = await method.forward({ site, options, part: later }, x, base, mask).data()
      expectClose(actual, expected, PRODUCTS)
      // a mask that is not looked at would keep everything else here
      expect(
        relativeError(actual, await method.forward({ site, options, part: later }, x, base).data())
      ).toBeGreaterThan(1e-2)
      await expectPure(method, subject, mask)
      await expectDerivatives(name, method, subject, mask)
    }))
}

const mask: DropoutMask = { rate: 0.4, seed: 3, offset: 5 }

const expectPure = async (method: AnyMethod, { options, base, x, later }: Subject, mask: DropoutMask | undefined) => {
  const inputs = [x, ...tensorsOfMatrix(base.W), ...tensorsOf(later), ...frozenOf(later)]
  const before = await Promise.all(inputs.map((tensor) => tensor.data().then((data) => data.slice())))
  await expectNoLeak(async () => {
    const twice = [0, 1].map(() => tf.tidy(() => method.forward({ site, options, part: later }, x, base, mask)))
    expect(await twice[1]!.data()).toEqual(await twice[0]!.data())
    const merged = [0, 1].map(() => method.merge({ site, options, part: later }, base))
    expect(await merged[1]!.data()).toEqual(await merged[0]!.data())
    // the caller owns what merge returns: it must not be a tensor that training still needs
    tf.dispose([...twice, ...merged])
  })
  expect(await Promise.all(inputs.map((tensor) => tensor.data()))).toEqual(before)
}

const expectDerivatives = async (
  name: keyof typeof cases,
  method: AnyMethod,
  { options, base, x, later }: Subject,
  mask: DropoutMask | undefined
) => {
  const dy = normal([TOKENS, site.out])
  const loss = (y: () => tf.Tensor2D) => tf.tidy(() => tf.sum(tf.mul(y(), dy)) as tf.Scalar)
  const forward = (trained: Trainable, input: tf.Tensor2D) =>
    method.forward({ site, options, part: trained }, input, base, mask)
  const variables = [...tensorsOf(later), x]
  const { gradients } = valueAndGradients(() => loss(() => forward(later, x)), variables)
  const near = heldFixed[name]?.(later, base, mask) ?? forward
  for (const [i, variable] of variables.entries()) {
    const direction = normal(variable.shape)
    const at = async (sign: 1 | -1) => {
      const moved = variables.map((v, j) => (i === j ? tf.add(v, tf.mul(direction, sign)) : v))
      const trained = withTensors(later, moved.slice(0, -1))
      return (await loss(() => near(trained, moved.at(-1) as tf.Tensor2D)).data())[0]!
    }
    const difference = ((await at(1)) - (await at(-1))) / 2
    const along = (await tf.sum(tf.mul(gradients[i]!, direction)).data())[0]!
    // relative to the sizes of gradient and direction: the slope itself may happen to vanish
    const size = (await tf.mul(tf.norm(gradients[i]!), tf.norm(direction)).data())[0]!
    expect(size).toBeGreaterThan(0)
    expect(Math.abs(along - difference) / size).toBeLessThanOrEqual(DIFFERENCES)
  }
}

/** A toy model whose two square layers have equal weights, so that only randomness can tell them apart. */
const equalLayers = () => {
  const { model, dispose } = toyModel()
  const weights = (name: string) => model.weights(name.replace("block.1", "block.0"))
  return { model: { ...model, weights }, dispose }
}

const starts = (method: AnyMethod, options: object, targets: ReadonlyArray<string> | "all-linear", seed: number) => {
  const { model, dispose } = equalLayers()
  const read = Effect.gen(function* () {
    const { trainable } = yield* inject(model, method, { ...options, targets, seed, calibrate: observed })
    const body = [
      ...trainable.pairs.flatMap(({ site: { name }, A, B }) => [[`${name}.A`, A] as const, [`${name}.B`, B] as const]),
      ...trainable.dense.filter(({ role }) => role === "body").map(({ name, value }) => [name, value] as const)
    ]
    const data = yield* Effect.forEach(body, ([name, tensor]) =>
      Effect.promise(async () => [name, await tensor.data()] as const)
    )
    return new Map(data)
  })
  return Effect.runPromise(Effect.scoped(read)).finally(dispose)
}

const startLaw = (title: string, name: keyof typeof cases, method: AnyMethod, options: object) =>
  test(`${title}: 5 a site's start depends on the seed and its name alone`, async () => {
    const all = await starts(method, options, "all-linear", 0)
    const alone = await starts(method, options, ["block.1.dense"], 0)
    expect(alone.size).toBeGreaterThan(0)
    for (const [key, values] of alone) expect(values).toEqual(all.get(key)!)

    const other = await starts(method, options, "all-linear", 1)
    const differs = (a: typeof all, b: typeof all, rename = (key: string) => key) =>
      [...a].some(([key, values]) => values.some((value, i) => value !== b.get(rename(key))?.[i]))
    const random = exceptions[name].randomness === undefined && unseeded[title] === undefined
    expect(differs(all, other)).toBe(random)
    const twin = (key: string) => key.replace("block.1", "block.0")
    expect(differs(alone, all, twin)).toBe(random)
  })

describeOnBoth(() => {
  for (const name of Object.keys(cases) as ReadonlyArray<keyof typeof cases>) {
    for (const [label, options] of Object.entries(cases[name])) {
      const title = [name, label].filter((part) => part !== "").join(", ")
      laws(title, name, methods[name] as AnyMethod, options)
      startLaw(title, name, methods[name] as AnyMethod, options)
    }
  }
})

test("every init has its case", () => {
  const tried = new Set(Object.values(cases.lora).map(({ init }) => init.kind))
  expect([...tried].sort()).toEqual(Object.keys(initFacts).sort() as ReadonlyArray<LoraInit["kind"]> as never)
})
