/** DPO and ORPO against TRL's own trainers: the loss of a batch, its rewards, and the gradient of every tensor that an adapter trains. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type { Adapted } from "../../../../../adapters/index.ts"
import type { PreferenceLoss } from "../../../../../schemas/index.ts"
import { type Pair, type PreferenceSplit, padPairs } from "../../../../../src/data/preference/index.ts"
import { preferenceLoss } from "../../../../../src/kinds/language/preference/loss.ts"
import {
  type PairBatch,
  type PairsModel,
  pairSums,
  pairsModel,
  referencesOf
} from "../../../../../src/kinds/language/preference/pairs-model.ts"
import { scoresOf } from "../../../../../src/kinds/language/preference/scores.ts"
import { baseLinear } from "../../../../../src/models/index.ts"
import { valueAndGradients } from "../../../../../src/tensors/gradients.ts"
import { tensorsOf } from "../../../../../src/tensors/trainable.ts"
import { describeOnEach } from "../../../../backends.ts"
import { ranksInProcess } from "../../../../ranks.ts"
import { expectClose, tolerance } from "../../../../setup.ts"
import { adaptedGolden, jsonOf, openGolden, valuesOf } from "../../../models/causal/causal-golden.ts"
import { readGolden, runScoped } from "../../../models/golden.ts"

type Table = ReadonlyArray<ReadonlyArray<number>>

interface Recorded {
  readonly loss: number
  readonly [metric: `rewards/${string}`]: number
}

interface Golden {
  readonly ids: Table
  readonly attended: Table
  readonly answers: Table
  readonly "orpo-ids": Readonly<Record<"chosen" | "rejected", Table>>
  readonly "orpo-labels": Readonly<Record<"chosen" | "rejected", Table>>
  readonly dpo: Recorded
  readonly "dpo-strong": Recorded
  readonly "dpo-head": Recorded
  readonly orpo: Recorded
}

const golden = (await jsonOf("preference/llama.json")) as Golden
const IGNORED = -100

/** A sequence from what TRL's collator made; `learned`: its answer's tokens. */
const sequence = (ids: ReadonlyArray<number>, learned: (token: number) => boolean, row: number) => ({
  row,
  ids: Int32Array.from(ids),
  labels: Int32Array.from(ids, (_, t) => (t + 1 < ids.length && learned(t + 1) ? ids[t + 1]! : IGNORED))
})

const dpoPairs: ReadonlyArray<Pair> = Array.from({ length: golden.ids.length / 2 }, (_, row) => {
  const side = (at: number) => {
    const tokens = golden.attended[at]!.filter((is) => is === 1).length
    return sequence(golden.ids[at]!.slice(0, tokens), (token) => golden.answers[at]![token] === 1, row)
  }
  return { row, chosen: side(row), rejected: side(row + golden.ids.length / 2) }
})

const orpoPairs: ReadonlyArray<Pair> = golden["orpo-ids"].chosen.map((_, row) => {
  const side = (name: "chosen" | "rejected") => {
    const labels = golden["orpo-labels"][name][row]!
    const tokens = labels.findLastIndex((label) => label !== IGNORED) + 1
    return sequence(golden["orpo-ids"][name][row]!.slice(0, tokens), (token) => labels[token] !== IGNORED, row)
  }
  return { row, chosen: side("chosen"), rejected: side("rejected") }
})

const batchOf = (pairs: ReadonlyArray<Pair>, prompts: boolean): PairBatch =>
  padPairs(pairs, { padId: 0, padMultiple: 1, maxLength: 64, prompts })

const rows: PreferenceSplit = {
  rows: dpoPairs.length,
  where: "pairs",
  read: () => Effect.succeed([]),
  encode: () => ({ broken: "pairs are made already" })
}

/** The batch with what the model says of it with the adapter off. */
const completed = (model: PairsModel, batch: PairBatch) =>
  // of each model anew
  Effect.map(referencesOf(model, rows, { padMultiple: 1, maxLength: 64 }).of(batch), (reference) => ({
    ...batch,
    reference
  }))

const cases = {
  dpo: { loss: { kind: "dpo", beta: 0.1 }, adapter: "adapter" },
  "dpo-strong": { loss: { kind: "dpo", beta: 2 }, adapter: "adapter" },
  // an output layer that is trained itself
  "dpo-head": { loss: { kind: "dpo", beta: 0.5 }, adapter: "adapter-head" },
  orpo: { loss: { kind: "orpo", beta: 0.1 }, adapter: "adapter" }
} as const satisfies Readonly<Record<string, { readonly loss: PreferenceLoss; readonly adapter: string }>>

/** Float32 on both sides, over two layers and a vocabulary of 128: its digits, of which sums in another order lose one. */
const CLOSE = 1e-5

describeOnEach((backend) => {
  for (const [name, { loss, adapter }] of Object.entries(cases) as ReadonlyArray<
    [keyof typeof cases, (typeof cases)[keyof typeof cases]]
  >) {
    // on the slowest backend that which trains most
    if (backend === "cpu" && name.startsWith("dpo") && name !== "dpo-head") continue
    test(`${name}: loss, rewards and every gradient are TRL's`, () =>
      runScoped(
        Effect.gen(function* () {
          const [pairs, prompts] = loss.kind === "dpo" ? [dpoPairs, false] : [orpoPairs, true]
          const language = yield* openGolden("llama")
          const { adapted: own, names } = yield* adaptedGolden(language, "llama", adapter)
          const model = pairsModel(language)
          const adapted: Adapted<PairsModel> = { ...own, model }
          const batch = yield* completed(model, batchOf(pairs, prompts))
          const { input, target } = model.toDevice(batch)
          const { value, gradients } = valueAndGradients(
            () => preferenceLoss(loss)(adapted.forward(input, adapted.trainable), target),
            tensorsOf(adapted.trainable)
          )
          const recorded = golden[name]
          expectClose(yield* valuesOf(value), [recorded.loss], CLOSE)
          const expected = yield* Effect.promise(() => readGolden("preference/llama.safetensors"))
          for (const [i, key] of names.entries()) {
            // the gradient has the factor σ(−βΔ): the last digit of Δ, a difference of sums over tokens, counts β times
            const bound = loss.kind === "dpo" ? CLOSE * Math.max(1, loss.beta) : CLOSE
            expectClose(yield* valuesOf(gradients[i]!), expected.get(`${name}.${key}`)!.data, bound)
          }
          const scores = scoresOf(loss)
          const sums = yield* pairSums(adapted, batch)
          expect(scores.add(batch, sums.subarray(0, batch.size), sums.subarray(batch.size))).toBe(pairs.length)
          const read = scores.read()
          const rewards = [read.accuracy, read.margin, read.chosenReward, read.rejectedReward]
          const ofTrl = ["accuracies", "margins", "chosen", "rejected"].map((metric) => recorded[`rewards/${metric}`]!)
          expectClose(rewards, ofTrl, CLOSE)
          expectClose([read.loss], [recorded.loss], CLOSE)
        })
      ))
  }

  test("before training DPO's loss is ln 2 to the bit; ε mixes it with that of the pairs the other way round", () =>
    runScoped(
      Effect.gen(function* () {
        const model = pairsModel(yield* openGolden("llama"))
        const batch = yield* completed(model, batchOf(dpoPairs, false))
        const lossOf = (own: PairBatch, labelSmoothing?: number) => {
          const { input, target } = model.toDevice(own)
          const loss = { kind: "dpo", beta: 0.7, ...(labelSmoothing === undefined ? {} : { labelSmoothing }) } as const
          return valuesOf(preferenceLoss(loss)(model.forward(input, baseLinear(model), model.weights), target))
        }
        expect(yield* lossOf(batch)).toEqual(Float32Array.of(Math.LN2))
        // as if the model had said something else before
        const half = batch.pairs.length
        const moved = batch.reference.map((own, i) => own + (i < half ? 0.3 : -0.4) * (1 + (i % half)))
        const turned = dpoPairs.map(({ row, chosen, rejected }) => ({ row, chosen: rejected, rejected: chosen }))
        const forth = yield* lossOf({ ...batch, reference: moved })
        const back = yield* lossOf({
          ...batchOf(turned, false),
          reference: Float32Array.of(...moved.subarray(half), ...moved.subarray(0, half))
        })
        const smoothed = yield* lossOf({ ...batch, reference: moved }, 0.2)
        expect(Math.abs(forth[0]! - back[0]!)).toBeGreaterThan(0.5)
        expectClose(smoothed, [0.8 * forth[0]! + 0.2 * back[0]!], tolerance.operation)
      })
    ))

  test("what was said before training is computed by one of several ranks, and known to all", () =>
    runScoped(
      Effect.gen(function* () {
        const model = pairsModel(yield* openGolden("llama"))
        const batch = batchOf(dpoPairs, false)
        const { reference } = yield* completed(model, batch)
        const passes = [0, 0]
        const program = (rank: number) =>
          Effect.gen(function* () {
            const forward: typeof model.forward = (...given) => {
              passes[rank]!++
              return model.forward(...given)
            }
            // of a model of its own, as in a process of its own
            const own: PairsModel = { ...model, weights: (name) => model.weights(name), forward }
            const { together } = referencesOf(own, rows, { padMultiple: 1, maxLength: 64 })
            return [yield* together(batch), yield* together(batch)]
          })
        for (const said of yield* ranksInProcess(2).run(program)) expect(said).toEqual([reference, reference])
        expect(passes).toEqual([Math.ceil(rows.rows / 2), Math.floor(rows.rows / 2)])
      })
    ))

  test("ORPO of answers that are almost certain: the odds of σ(x) are x", () =>
    runScoped(
      Effect.gen(function* () {
        // two tokens, the first with logit 3 in the better answer and 1 in the worse one: log-probabilities beyond −ln 2
        const output = { hidden: tf.tensor2d([[3], [1]]), weight: tf.tensor2d([[1], [0]]), softcap: null }
        const target = { labels: tf.tensor1d([0, 0], "int32"), answers: tf.tensor2d([[1], [1]]), counted: 1 }
        const loss = preferenceLoss({ kind: "orpo", beta: 0.5 })(output as never, target)
        const softplus = (x: number) => Math.log1p(Math.exp(x))
        expectClose(yield* valuesOf(loss), [softplus(-3) + 0.5 * softplus(-(3 - 1))], tolerance.operation)
      })
    ))
})
