/** From a plan's `optimizer` section to updates: each kind and form against the chain written out by hand. */
import { beforeAll, describe, expect, spyOn, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { OptionsError } from "../../../schemas/index.ts"
import { type DecidedOptimizer, mustBeDecided, OptimizerConfig } from "../../../schemas/optimizer.ts"
import {
  adamw,
  addDecayedWeights,
  addProductDecay,
  addSplitDecay,
  altLora,
  altLoraPlus,
  chain,
  clipByGlobalNorm,
  cosine,
  ema,
  factoredAdam,
  fromConfig,
  linear,
  lion,
  loraMuon,
  loraPlus,
  loraPro,
  loraRite,
  optimizerOf,
  optimizers,
  refLora,
  refLoraScalar,
  riemannian,
  scaleByAdam,
  scaleByInvariantAdam,
  scaleByLearningRate,
  scaleByLion,
  scaleByLoraPre,
  scheduleFromConfig,
  sgd,
  type Transform,
  tangentSigns,
  trace
} from "../../../src/optimizers/index.ts"
import { type DenseParameter, type Trainable, tensorsOf } from "../../../src/tensors/trainable.ts"
import { random, randomMatrix } from "./matrix.ts"
import { pairOf, type Run, takeStep, tensorsIn } from "./tensors.ts"

beforeAll(async () => {
  await tf.setBackend("cpu")
})

const STEPS = 6

const decode = (config: unknown): DecidedOptimizer => mustBeDecided(Schema.decodeUnknownSync(OptimizerConfig)(config))

const made = (config: unknown): Promise<Transform> => Effect.runPromise(fromConfig(decode(config), STEPS))

const tree = (seed: number, size: number): Trainable => {
  const next = random(seed)
  const vector = (name: string, role: DenseParameter["role"]): DenseParameter => ({
    name,
    role,
    value: tf.tensor1d(randomMatrix(1, 4, next, size)[0]!.slice())
  })
  return {
    pairs: [pairOf(randomMatrix(2, 5, next, size), randomMatrix(6, 2, next, size), 4, "p")],
    dense: [vector("norm", "body"), vector("head", "head")]
  }
}

const only = (t: Trainable, part: "pairs" | "body" | "head"): Trainable => ({
  pairs: part === "pairs" ? t.pairs : [],
  dense: t.dense.filter((parameter) => parameter.role === part)
})

/** The trained values after a few steps with gradients that change. */
const train = async (transform: Transform, select: (t: Trainable) => Trainable = (t) => t) => {
  const params = select(tree(1, 1))
  let run: Run = { params, state: transform.init(params) }
  for (let step = 1; step <= STEPS; step++) run = await takeStep(transform, run, select(tree(10 + step, 0.3)))
  return (await Promise.all(tensorsOf(run.params).map((tensor) => tensor.data()))).map((data) => Array.from(data))
}

/** What `fromConfig` trains, and what transforms written by hand train on the three parts. */
const expectSame = async (config: unknown, parts: { pairs: Transform; body: Transform; head: Transform }) => {
  const found = await train(await made(config))
  const expected = await Promise.all(
    (["pairs", "body", "head"] as const).map((part) => train(parts[part], (t) => only(t, part)))
  )
  expect(found).toEqual(expected.flat())
}

const shared = {
  learningRate: 0.01,
  headLearningRate: 0.05,
  weightDecay: 0.1,
  schedule: { kind: "linear", warmupSteps: 2 }
}
const rate = linear({ peak: 0.01, steps: STEPS, warmup: 2 })
const headRate = linear({ peak: 0.05, steps: STEPS, warmup: 2 })
const moments = { b1: 0.8, b2: 0.95, eps: 1e-6 }
const planMoments = { betas: [0.8, 0.95], epsilon: 1e-6 }

describe("fromConfig", () => {
  test("sgd: momentum, decay and rate for all, heads at theirs", async () => {
    const make = (learningRate: typeof rate) =>
      chain(trace({ decay: 0.9 }), addDecayedWeights(0.1), scaleByLearningRate(learningRate))
    await expectSame(
      { kind: "sgd", momentum: 0.9, ...shared },
      { pairs: make(rate), body: make(rate), head: make(headRate) }
    )
  })

  const adam = (learningRate: typeof rate) =>
    chain(scaleByAdam(moments), addDecayedWeights(0.1), scaleByLearningRate(learningRate))

  test("adamw", async () => {
    await expectSame(
      { kind: "adamw", ...planMoments, ...shared },
      { pairs: adam(rate), body: adam(rate), head: adam(headRate) }
    )
  })

  test("lion: head and body alike, each at its rate", async () => {
    const make = (learningRate: typeof rate) =>
      chain(scaleByLion({ b1: 0.8, b2: 0.95 }), addDecayedWeights(0.1), scaleByLearningRate(learningRate))
    await expectSame(
      { kind: "lion", betas: planMoments.betas, ...shared },
      { pairs: make(rate), body: make(rate), head: make(headRate) }
    )
  })

  test("lora-plus: the ratio for B alone, heads as under adamw", async () => {
    await expectSame(
      { kind: "lora-plus", ratio: 4, ...planMoments, ...shared },
      {
        pairs: loraPlus({ ...moments, ratio: 4, weightDecay: 0.1, learningRate: rate }),
        body: adam(rate),
        head: adam(headRate)
      }
    )
  })

  test("riemannian: AdamW on scaled gradients; dense tensors and heads get plain AdamW", async () => {
    await expectSame(
      { kind: "riemannian", damping: 1e-3, ...planMoments, ...shared },
      { pairs: chain(riemannian({ damping: 1e-3 }), adam(rate)), body: adam(rate), head: adam(headRate) }
    )
  })

  for (const x of ["sylvester", "zero", "symmetric"] as const) {
    test(`lora-pro, X ${x}: three forms; dense tensors get plain AdamW`, async () => {
      const options = { x, damping: 1e-6 }
      const forms = {
        sgd: chain(loraPro(options), addDecayedWeights(0.1), scaleByLearningRate(rate)),
        efficient: chain(loraPro(options), scaleByAdam(moments), addDecayedWeights(0.1), scaleByLearningRate(rate)),
        full: chain(
          loraPro({ ...options, inner: scaleByAdam(moments) }),
          scaleByLearningRate(rate),
          addProductDecay(0.1, rate)
        )
      }
      for (const [form, pairs] of Object.entries(forms)) {
        await expectSame(
          { kind: "lora-pro", form, ...options, ...planMoments, ...shared },
          { pairs, body: adam(rate), head: adam(headRate) }
        )
      }
    })
  }

  test("lora-pro, efficient form, invariant moments", async () => {
    const pairs = chain(
      loraPro({ damping: 1e-6 }),
      scaleByInvariantAdam(moments),
      addDecayedWeights(0.1),
      scaleByLearningRate(rate)
    )
    await expectSame(
      { kind: "lora-pro", form: "efficient", moments: "invariant", damping: 1e-6, ...planMoments, ...shared },
      { pairs, body: adam(rate), head: adam(headRate) }
    )
  })

  test("lora-pro, full form, factored moments", async () => {
    const pairs = chain(
      loraPro({ damping: 1e-6, inner: factoredAdam(moments) }),
      scaleByLearningRate(rate),
      addProductDecay(0.1, rate)
    )
    await expectSame(
      { kind: "lora-pro", form: "full", moments: "factored", damping: 1e-6, ...planMoments, ...shared },
      { pairs, body: adam(rate), head: adam(headRate) }
    )
  })

  test("altlora and altlora-plus: decay and rate are in them; dense tensors and heads get plain AdamW", async () => {
    for (const [kind, make] of [
      ["altlora", altLora],
      ["altlora-plus", altLoraPlus]
    ] as const) {
      for (const variant of ["paper", "code"] as const) {
        const options = { variant, damping: 1e-3 }
        await expectSame(
          { kind, ...options, ...planMoments, ...shared },
          {
            pairs: make({ ...moments, ...options, weightDecay: 0.1, learningRate: rate }),
            body: adam(rate),
            head: adam(headRate)
          }
        )
      }
    }
  })

  test("lora-muon: the mean of the gradients, moves of equal singular values, split decay", async () => {
    const pairs = chain(
      ema({ decay: 0.7 }),
      loraMuon({ damping: 1e-6 }),
      scaleByLearningRate(rate),
      addSplitDecay(0.1, rate)
    )
    await expectSame(
      { kind: "lora-muon", momentum: 0.7, damping: 1e-6, ...planMoments, ...shared },
      { pairs, body: adam(rate), head: adam(headRate) }
    )
  })

  test("reflora: AdamW on gradients after a warm-up of given length or share; scalar: with decay and rate in it", async () => {
    const config = { kind: "reflora", ...planMoments, ...shared }
    const full = chain(refLora({ warmup: 3, damping: 1e-3 }), adam(rate))
    for (const length of [{ warmupSteps: 3 }, { warmup: 0.5 }])
      await expectSame({ ...config, ...length, damping: 1e-3 }, { pairs: full, body: adam(rate), head: adam(headRate) })
    const scalar = refLoraScalar({ ...moments, weightDecay: 0.1, learningRate: rate, warmup: 1 })
    await expectSame({ ...config, form: "scalar" }, { pairs: scalar, body: adam(rate), head: adam(headRate) })
  })

  test("lora-tsd: the mean of the gradients, LoRA-Pro with signs inside, decay; LoRA-Pro as it is at τ = 0", async () => {
    for (const tau of [0, 2]) {
      const inner = tau === 0 ? {} : { inner: tangentSigns({ tau, damping: 1e-6 }) }
      const pairs = chain(
        ema({ decay: 0.7 }),
        loraPro({ ...inner, x: "symmetric", damping: 1e-6 }),
        addDecayedWeights(0.1),
        scaleByLearningRate(rate)
      )
      await expectSame(
        { kind: "lora-tsd", tau, momentum: 0.7, x: "symmetric", damping: 1e-6, ...planMoments, ...shared },
        { pairs, body: adam(rate), head: adam(headRate) }
      )
    }
  })

  test("the kinds, the forms and the choices of X differ from each other", async () => {
    const forms = ["sgd", "efficient", "full"].flatMap((form) =>
      ["sylvester", "zero", "symmetric"].map((x) => ({ kind: "lora-pro", form, x, learningRate: 0.01 }))
    )
    const kinds = Object.entries(accounts).flatMap(([kind, [options]]) =>
      kind === "lora-pro" ? [] : [{ kind, learningRate: 0.01, ...options }]
    )
    const configs = [...kinds, ...forms]
    const trained = await Promise.all(configs.map(async (c) => JSON.stringify(await train(await made(c)))))
    expect(new Set(trained).size).toBe(kinds.length + 9)
  })

  test("clipping comes first, over heads and body together", async () => {
    const config = { kind: "sgd", learningRate: 0.1 }
    const clipped = await train(await made({ ...config, clipNorm: 0.2 }))
    expect(clipped).toEqual(await train(chain(clipByGlobalNorm(0.2), sgd({ learningRate: 0.1 }))))
    expect(clipped).not.toEqual(await train(await made(config)))
  })

  test("without headLearningRate the head moves at learningRate", async () => {
    const found = await train(await made({ kind: "adamw", learningRate: 0.02 }))
    expect(found).toEqual(await train(adamw({ learningRate: 0.02 })))
  })

  test("a warm-up fraction is rounded to whole steps", () => {
    const schedule = scheduleFromConfig({ kind: "linear", warmup: 0.1 }, 1, 80)
    for (const [step, value] of [
      [1, 1 / 8],
      [8, 1],
      [9, 72 / 73],
      [80, 1 / 73]
    ] as const) {
      expect(schedule(step)).toBeCloseTo(value, 12)
    }
    expect(scheduleFromConfig({ kind: "linear", warmup: 0.1 }, 1, 26)(3)).toBe(1)
    expect(scheduleFromConfig({ kind: "constant", warmupSteps: 4 }, 2, 80)(2)).toBe(1)
  })
})

describe("options in code", () => {
  const learningRate = 0.01
  const after = (transform: Transform) => chain(transform, scaleByLearningRate(learningRate))

  test.each<readonly [kind: string, Transform, section?: object]>([
    ["adamw", adamw({ learningRate })],
    ["sgd", sgd({ learningRate })],
    ["lion", lion({ learningRate })],
    ["lora-plus", loraPlus({ learningRate })],
    ["riemannian", after(chain(riemannian(), scaleByAdam()))],
    ["lora-pro", after(loraPro({ inner: scaleByAdam() }))],
    ["lora-pro", after(loraPro({ inner: factoredAdam() })), { moments: "factored" }],
    ["lora-pro", after(chain(loraPro(), scaleByInvariantAdam())), { form: "efficient", moments: "invariant" }],
    ["lora-rite", after(loraRite())],
    ["altlora", altLora({ learningRate })],
    ["altlora-plus", altLoraPlus({ learningRate })],
    ["lora-muon", chain(ema({ decay: 0.9 }), after(loraMuon())), { weightDecay: 0 }],
    ["lora-pre", after(scaleByLoraPre())],
    ["reflora", after(chain(refLora(), scaleByAdam())), { warmupSteps: 0 }],
    ["reflora", refLoraScalar({ learningRate, warmup: 0 }), { form: "scalar", warmupSteps: 0 }],
    ["lora-tsd", chain(ema({ decay: 0.95 }), after(loraPro({ inner: tangentSigns() })))]
  ])(
    "%s moves pairs alike in code and in a plan, with every option left out",
    async (kind, transform, section = {}) => {
      const planned = await Effect.runPromise(fromConfig({ kind, learningRate, ...section } as never, STEPS))
      const pairs = (t: Trainable) => only(t, "pairs")
      expect(await train(planned, pairs)).toEqual(await train(transform, pairs))
    }
  )

  const whole = new Set(["adamw", "lion", "sgd", "loraPlus", "altLora", "altLoraPlus", "refLoraScalar"])
  test.each<readonly [of: string, make: (options: never) => unknown, kind: string, option: string, field?: string]>([
    ["adamw", adamw, "adamw", "weightDecay"],
    ["lion", lion, "lion", "weightDecay"],
    ["sgd", sgd, "sgd", "momentum"],
    ["loraPlus", loraPlus, "lora-plus", "ratio"],
    ["altLora", altLora, "altlora", "damping"],
    ["altLoraPlus", altLoraPlus, "altlora-plus", "variant"],
    ["refLoraScalar", refLoraScalar, "reflora", "warmup", "warmupSteps"],
    ["scaleByAdam", scaleByAdam, "adamw", "eps", "epsilon"],
    ["scaleByAdam", scaleByAdam, "adamw", "b2", "betas.1"],
    ["scaleByLion", scaleByLion, "lion", "b1", "betas.0"],
    ["scaleByInvariantAdam", scaleByInvariantAdam, "lora-pro", "eps", "epsilon"],
    ["factoredAdam", factoredAdam, "lora-pro", "b1", "betas.0"],
    ["riemannian", riemannian, "riemannian", "damping"],
    ["loraPro", loraPro, "lora-pro", "damping"],
    ["loraPro", loraPro, "lora-pro", "x"],
    ["loraRite", loraRite, "lora-rite", "skip"],
    ["loraMuon", loraMuon, "lora-muon", "damping"],
    ["scaleByLoraPre", scaleByLoraPre, "lora-pre", "rank"],
    ["refLora", refLora, "reflora", "warmup", "warmupSteps"],
    ["tangentSigns", tangentSigns, "lora-tsd", "damping"],
    ["ema", ema, "lora-muon", "decay", "momentum"]
  ])("%s says of a wrong option what a plan says: %p, %s, %s", async (of, make, kind, option, field = option) => {
    const wrong = -1
    const given = whole.has(of) ? { learningRate } : {}
    const [name, index] = field.split(".")
    const betas = index === undefined ? wrong : [0.9, 0.9].map((beta, i) => (i === Number(index) ? wrong : beta))
    const section = { kind, learningRate, [name!]: betas } as never
    const planned = (await Effect.runPromise(Effect.flip(fromConfig(section, STEPS)))).message
    const sentence = planned.replace(`fromConfig: optimizer.${field}: `, "")
    expect(sentence).toMatch(/^found -1; expected /)
    expect(() => make({ ...given, [option]: wrong } as never)).toThrow(`${of}: ${option}: ${sentence}`)
  })

  test("all that is wrong with a function's options comes at once, and what is undefined was left out", () => {
    const wrong = { learningRate: "auto", weightDecay: Number.NaN, epsilon: 1, betas: [0.9, 0.999], b1: undefined }
    const thrown = () => adamw(wrong as never)
    expect(thrown).toThrow(OptionsError)
    expect(thrown).toThrow(
      [
        "adamw: epsilon: unknown key (allowed: b1, b2, eps, learningRate, weightDecay)",
        "adamw: betas: unknown key (allowed: b1, b2, eps, learningRate, weightDecay)",
        'adamw: learningRate: found "auto"; expected a number greater than 0, or a function of the step',
        "adamw: weightDecay: found NaN; expected a number of at least 0"
      ].join("\n")
    )
    expect(() => adamw({} as never)).toThrow("adamw: learningRate: missing; expected a number greater than 0")
    expect(() => cosine({ peak: 1, steps: 0.5 })).toThrow("cosine: steps: found 0.5; expected an integer of at least 1")
    expect(() => adamw({ learningRate: cosine({ peak: 1, steps: 5 }), b2: undefined } as never)).not.toThrow()
    expect(() => loraRite({ cap: null, skip: null })).not.toThrow()
  })

  test("all that is wrong comes at once, as for a plan", async () => {
    const wrong = { kind: "lora-pro", lerningRate: 1, damping: -1 } as never
    const problemsWith = async (section: never, steps: number) =>
      (await Effect.runPromise(Effect.flip(fromConfig(section, steps)))).message.split("\n")
    expect(await problemsWith(wrong, 0)).toEqual([
      expect.stringMatching(/^fromConfig: optimizer\.lerningRate: unknown key; did you mean "learningRate"\?/),
      'fromConfig: optimizer.learningRate: missing; expected a number greater than 0, or "auto"',
      "fromConfig: optimizer.damping: found -1; expected a number of at least 0",
      "fromConfig: steps: found 0; expected an integer of at least 1"
    ])
    expect(await problemsWith({ kind: "sgd", learningRate: "auto" } as never, 1)).toEqual([
      'fromConfig: optimizer.learningRate: found "auto"; expected a number greater than 0, such as the one that Training.findRate finds'
    ])
    expect(
      await problemsWith({ kind: "lora-pro", learningRate: 1, form: "sgd", moments: "factored" } as never, 1)
    ).toEqual(['fromConfig: optimizer.moments: found "factored" with form "sgd"; expected no moments'])
  })
})

test("transforms that cannot be loaded are told in a sentence, and loaded when they are asked for again", async () => {
  const config = decode({ kind: "lion", learningRate: 0.1 })
  const offline = spyOn(optimizers.lion, "load").mockRejectedValueOnce(new TypeError("Failed to fetch lion.js"))
  const error = await Effect.runPromise(Effect.flip(fromConfig(config, STEPS)))
  expect(error._tag).toBe("OptimizerObstacle")
  expect(error.message).toBe(
    "the optimizer cannot take a step here: its code could not be loaded: Failed to fetch lion.js; check that the page is online and all files of its bundle are served"
  )
  offline.mockRestore()
  expect((await made(config)).init(tree(1, 1))).toBeDefined()
})

/** Configurations by which each optimizer's own account of its state is held against the state. */
const accounts = {
  sgd: [{ momentum: 0 }, { momentum: 0.9 }],
  adamw: [{}],
  lion: [{}],
  "lora-plus": [{}],
  riemannian: [{}],
  "lora-pro": [
    { form: "full" },
    { form: "full", moments: "factored" },
    { form: "efficient" },
    { form: "efficient", moments: "invariant" },
    { form: "sgd" }
  ],
  "lora-rite": [{}, { escape: true }],
  altlora: [{}, { variant: "code" }],
  "altlora-plus": [{}, { variant: "code" }],
  "lora-muon": [{}],
  "lora-pre": [{ rank: 1 }, {}],
  reflora: [{}, { form: "scalar" }],
  "lora-tsd": [{ momentum: 0 }, { momentum: 0.9 }, { tau: 0 }]
} satisfies { readonly [Kind in keyof typeof optimizers]: ReadonlyArray<object> }

describe.each(Object.entries(accounts))("%s", (kind, changes) => {
  test.each(changes)("keeps the numbers that it says: %p", async (change) => {
    const config = decode({ kind, learningRate: 0.01, ...change })
    const { pair, perDense, matrix } = optimizerOf(config).state(config)
    const transform = await made(config)
    const params = tree(1, 1)
    const numbers = (part: Trainable) => tensorsIn(transform.init(part)).reduce((sum, { size }) => sum + size, 0)
    const [, , norm, head] = tensorsOf(params).map(({ size }) => size)
    const [shape] = params.pairs.map(({ A, site }) => ({ rank: A.shape[0], in: site.in, out: site.out }))
    expect(numbers(only(params, "pairs"))).toBe(pair(shape!))
    expect(numbers(only(params, "body"))).toBe(perDense * norm!)
    expect(numbers(only(params, "head"))).toBe(perDense * head!)
    const weight: DenseParameter = { name: "weight", role: "body", value: tf.zeros([shape!.out, shape!.in]) }
    expect(numbers({ pairs: [], dense: [weight] })).toBe(matrix?.(shape!) ?? perDense * weight.value.size)
  })
})
