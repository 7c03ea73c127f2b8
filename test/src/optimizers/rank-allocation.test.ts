/**
 * AdaLoRA's rank allocation against PEFT's, step by step, and what it promises by itself: how many λ stay, that a
 * masked one may come back, and that everything else moves as the inner transform moves it.
 */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { gaussian, randomStream } from "../../../src/numbers/random.ts"
import {
  adamw,
  allocateRanks,
  budgetAt,
  budgetSteps,
  chain,
  clipByGlobalNorm,
  layoutAt,
  layoutOf,
  loraPro,
  pairsAmong,
  type RankAllocationOptions,
  type RankAllocationState,
  type RankBudget,
  scaleByAdam,
  scaleByLearningRate,
  type Transform
} from "../../../src/optimizers/index.ts"
import { tripletScores } from "../../../src/optimizers/rank-allocation.ts"
import { mapTensors, type Trainable, tensorsOf, withTensors } from "../../../src/tensors/trainable.ts"
import { stateProblem, storedState } from "../../../src/training/state-tree.ts"
import { config, inTreeOrder, options, partsOf, steps, treeOf } from "../../adapters/adalora-golden.ts"
import { describeOnEach } from "../../backends.ts"
import { ranksInProcess } from "../../ranks.ts"
import { expectClose, expectNoLeak, tolerance } from "../../setup.ts"
import { disposeState, takeStep } from "./tensors.ts"

// a dozen smoothed products of float32 numbers, each good to 6e-8; Ū is made of differences of numbers as large as Ī
const SMOOTHED = 10 * tolerance.operation

const values = async (tensor: tf.Tensor | null) => Array.from((await tensor?.data()) ?? [])

const ranked = (params: Trainable): RankAllocationOptions["sites"] =>
  params.pairs.map(({ site: { name } }) => ({ pair: name, values: `${name}.lambda` }))

/** Moves to where `next` says, whatever the gradients are. */
const towards = (next: () => ReadonlyArray<ReadonlyArray<number>>): Transform => ({
  init: () => null,
  update: (updates, state, params) => ({
    updates: withTensors(
      updates,
      tensorsOf(params).map((tensor, i) => tf.sub(tf.tensor([...next()[i]!], tensor.shape), tensor))
    ),
    state
  })
})

const golden: RankBudget = {
  ...budgetSteps(options.budget, config.total_step),
  initial: 2 * config.init_r,
  target: 2 * config.target_r
}

test("moves that ranks of a run share are refused: importance is known when all moves are", () => {
  const obstacle = (inner: Transform) =>
    allocateRanks(inner, { sites: [], budget: golden, betas: [0.85, 0.85] }).obstacle?.({ pairs: [], dense: [] })
  const inner = loraPro({ inner: scaleByAdam() })
  expect(obstacle(inner)).toBeUndefined()
  const { shapes } = ranksInProcess(2)
  expect(obstacle(loraPro({ inner: scaleByAdam(), sharing: pairsAmong(shapes[0]!) }))).toContain("shared among ranks")
})

test("the golden budget at every step", () => {
  expect(golden).toEqual({ start: 2, end: 9, every: 2, initial: 8, target: 4 })
  const allocations = steps.filter(({ step, mask }) => mask && step <= golden.end)
  expect(allocations.map(({ step }) => step)).toEqual([4, 6, 8, 9])
  for (const { step, mask, budget } of steps)
    expect([step, budgetAt(step, golden)]).toEqual([step, mask && step <= golden.end ? budget : undefined])
})

test("shares of a run become steps of it, in order and within it however short it is", () => {
  const shares = { start: 0.1, end: 0.7, every: 10 }
  expect(budgetSteps(shares, 80)).toEqual({ start: 8, end: 56, every: 10 })
  for (const steps of [1, 2, 3, 5, 1000]) {
    for (const [start, end] of [
      [0, 0.001],
      [0.1, 0.7],
      [0.5, 0.51],
      [0.999, 1]
    ] as const) {
      const own = budgetSteps({ start, end, every: 1 }, steps)
      expect(own.start).toBeGreaterThanOrEqual(0)
      expect(own.end).toBeGreaterThan(own.start)
      expect(own.end).toBeLessThanOrEqual(steps)
    }
  }
})

test("the budget falls from all ranks to the target, and never rises", () => {
  const budget = { initial: 100, target: 30, start: 7, end: 61, every: 1 }
  const all = Array.from({ length: 80 }, (_, i) => budgetAt(i + 1, budget))
  expect(all.slice(0, 7)).toEqual(Array(7).fill(undefined))
  const left = all.slice(7, 61) as ReadonlyArray<number>
  for (const [i, ranks] of left.entries()) expect(ranks).toBeLessThanOrEqual(left[i - 1] ?? 100)
  expect(left.at(-1)).toBe(30)
  expect(all.slice(61)).toEqual(Array(19).fill(undefined))
})

/** Three sites of ranks 4, 3 and 2, one that is not ranked, and a head. */
const tree = (seed: number): Trainable => {
  const random = randomStream(seed, "rank allocation")
  const normal = (shape: ReadonlyArray<number>) =>
    tf.tensor(
      Float32Array.from({ length: shape.reduce((size, n) => size * n, 1) }, () => gaussian(random)),
      [...shape]
    )
  const pair = (name: string, rank: number, out: number, inputs: number) => ({
    site: { name, kind: "dense" as const, out, in: inputs },
    A: normal([rank, inputs]) as tf.Tensor2D,
    B: normal([out, rank]) as tf.Tensor2D,
    scale: 1
  })
  const lambda = (name: string, rank: number) => ({
    name: `${name}.lambda`,
    role: "body" as const,
    value: normal([rank])
  })
  return {
    pairs: [pair("a", 4, 6, 5), pair("plain", 3, 5, 5), pair("b", 3, 5, 7), pair("c", 2, 4, 4)],
    dense: [
      lambda("a", 4),
      { name: "norm", role: "body", value: normal([5]) },
      lambda("c", 2),
      lambda("b", 3),
      { name: "head", role: "head", value: normal([3, 5]) }
    ]
  }
}
const rankedSites = ["a", "b", "c"].map((name) => ({ pair: name, values: `${name}.lambda` }))
const budget: RankBudget = { initial: 9, target: 4, start: 2, end: 12, every: 3 }
const allocation = (changes: Partial<RankBudget> = {}): RankAllocationOptions => ({
  sites: rankedSites,
  budget: { ...budget, ...changes },
  betas: [0.85, 0.85]
})

const lambdas = async (params: Trainable): Promise<ReadonlyArray<number>> => {
  const named = new Map(params.dense.map(({ name, value }) => [name, value]))
  return (await Promise.all(rankedSites.map((site) => values(named.get(site.values)!)))).flat()
}
const alive = (all: ReadonlyArray<number>) => all.filter((value) => value !== 0).length

/** Steps with gradients that depend on the step alone; `see` after each. */
const trained = async (
  transform: Transform,
  count: number,
  see: (step: number, params: Trainable, state: RankAllocationState) => Promise<void> = async () => {},
  seedOf: (step: number) => number = (step) => step
): Promise<ReadonlyArray<ReadonlyArray<number>>> => {
  let run = { params: tree(0), state: transform.init(tree(0)) }
  for (let step = 1; step <= count; step++) {
    const gradients = tree(seedOf(step))
    run = (await takeStep(transform, run, gradients)) as typeof run
    tf.dispose([...tensorsOf(gradients)])
    await see(step, run.params, run.state as RankAllocationState)
  }
  const end = await Promise.all(tensorsOf(run.params).map(values))
  tf.dispose([...tensorsOf(run.params)])
  disposeState(run.state)
  return end
}

const inner = () => adamw({ learningRate: 0.02, weightDecay: 0.1 })

describeOnEach(() => {
  test("the golden trace: importance, uncertainty, and exactly the same λ at 0", async () => {
    let next = inTreeOrder(steps[0]!.parameters)
    const start = treeOf(partsOf(steps[0]!.parameters)) // any numbers: step 1 moves to the golden ones
    const { sensitivityBetas: betas } = options
    const transform = allocateRanks(
      towards(() => next),
      { sites: ranked(start), budget: golden, betas }
    )
    let run: { params: Trainable; state: RankAllocationState } = { params: start, state: transform.init(start) }
    for (const step of steps) {
      next = inTreeOrder(step.parameters)
      const gradients = treeOf(partsOf(step.gradients))
      run = (await takeStep(transform, run, gradients)) as typeof run
      for (const [i, tensor] of tensorsOf(run.params).entries())
        expectClose(await values(tensor), inTreeOrder(step.parameters, step.E_after)[i]!, tolerance.operation)
      const lambda = (await Promise.all(run.params.dense.map(({ value }) => values(value)))).flat()
      const expected = Object.values(step.E_after).flat(2)
      expect(lambda.map((value) => value === 0)).toEqual(expected.map((value) => value === 0))
      if (step.step >= golden.end) {
        expect([run.state.importance, run.state.uncertainty]).toEqual([[], []])
        const pattern = Object.values(step.rank_pattern!).flat()
        expect(await values(run.state.kept)).toEqual(pattern.map(Number))
      } else {
        const { importance, uncertainty } = run.state
        const expected = [step.exp_avg_ipt, step.exp_avg_unc].flatMap((numbers) => Object.values(numbers))
        expect(expected.length).toBe(2 * importance.length)
        for (const [i, tensor] of [...importance, ...uncertainty].entries())
          expectClose(await values(tensor), expected[i]!.flat(), SMOOTHED)
        if (step.scores !== undefined)
          expectClose(await values(tripletScores(run.state)), Object.values(step.scores).flat(), 2 * SMOOTHED)
      }
    }
  })

  test("after every allocation as many λ stay as the budget says; from the last one on always the same", async () => {
    const seen: Array<readonly [number, number]> = []
    let last: ReadonlyArray<boolean> = []
    await trained(allocateRanks(inner(), allocation()), 16, async (step, params) => {
      const now = await lambdas(params)
      const stay = budgetAt(step, budget)
      if (stay !== undefined) {
        seen.push([step, alive(now)])
        expect(alive(now)).toBe(stay)
      } else if (step < budget.end) expect(alive(now)).toBe(9)
      if (step === budget.end) last = now.map((value) => value !== 0)
      if (step > budget.end) expect(now.map((value) => value !== 0)).toEqual([...last])
    })
    expect(seen.map(([step]) => step)).toEqual([3, 6, 9, 12])
    expect(alive(last.map(Number))).toBe(4)
  })

  test("its state has the layout that it says, before, at and after the last allocation", async () => {
    for (const changes of [{}, { target: 9 }, { start: 0, end: 1, every: 1 }]) {
      const transform = allocateRanks(inner(), allocation(changes))
      const params = tree(0)
      const first = transform.init(params)
      const initial = layoutOf(first)
      disposeState(first)
      await trained(transform, 14, async (step, _, state) => {
        const { tree: stored, tensors } = storedState(state)
        expect(stateProblem(layoutAt(transform, initial, params, step), stored, tensors, step)).toBeUndefined()
        if (step === 12)
          expect(stateProblem(initial, stored, tensors, step)).toMatch(/^optimizer\.importance has 0 parts/)
      })
      tf.dispose([...tensorsOf(params)])
    }
  })

  test("a λ at 0 moves again with the next step, and comes back where it matters by then", async () => {
    const masks: Array<ReadonlyArray<boolean>> = []
    // gradients change with every step and memory is short: so does what matters
    const transform = allocateRanks(inner(), { ...allocation(), betas: [0.1, 0.1] })
    await trained(transform, 12, async (step, params) => {
      if (budgetAt(step, budget) !== undefined) masks.push((await lambdas(params)).map((value) => value === 0))
    })
    const back = masks.slice(1).some((mask, i) => mask.some((zero, k) => !zero && masks[i]![k]!))
    expect(back).toBe(true)
  })

  test("all but the masked λ move as the inner transform moves them, bit for bit", async () => {
    // step 3 is an allocation
    const plain = await trained(inner(), 3)
    const wrapped = await trained(allocateRanks(inner(), allocation()), 3)
    const isLambda = tensorsOf(tree(0)).map((_, i) => [8, 10, 11].includes(i))
    const zeros = wrapped.flatMap((numbers, i) =>
      numbers.flatMap((value, k) => {
        const free = isLambda[i] === true && value === 0
        if (!free) expect(value).toBe(plain[i]![k]!)
        return free ? [value] : []
      })
    )
    expect(zeros.length).toBe(9 - budgetAt(3, budget)!)
    expect(zeros.length).toBeGreaterThan(0)
  })

  test("equal scores: exactly the budget stays", async () => {
    const still = allocateRanks(scaleByLearningRate(0), allocation({ start: 0, end: 3, every: 5 }))
    let run = { params: tree(0), state: still.init(tree(0)) as RankAllocationState }
    const gradients = mapTensors((tensor) => tf.zerosLike(tensor), run.params)
    for (let step = 1; step <= 3; step++) run = (await takeStep(still, run, gradients)) as typeof run
    expect(alive(await lambdas(run.params))).toBe(4)
  })

  test("the last allocation goes by the steps before it", async () => {
    const keptAfter = async (last: number) => {
      let kept: ReadonlyArray<number> = []
      const transform = allocateRanks(inner(), { ...allocation(), betas: [0.1, 0.1] })
      const seen = async (step: number, _: Trainable, state: RankAllocationState) => {
        if (step === budget.end) kept = await values(state.kept)
      }
      await trained(transform, budget.end, seen, (step) => (step === budget.end ? last : step))
      return kept
    }
    expect(await keptAfter(12)).toEqual(await keptAfter(99))
  })

  test("a last allocation at the very first step goes by that step", async () => {
    const [budget, kept] = [{ ...budgetSteps({ start: 0.1, end: 0.7, every: 1 }, 1), initial: 9, target: 4 }, new Set()]
    await trained(allocateRanks(inner(), allocation(budget)), 1, async (_, params, state) => {
      expect(alive(await lambdas(params))).toBe(4)
      for (const [k, stays] of (await values(state.kept)).entries()) if (stays === 1) kept.add(k)
    })
    expect([...kept]).not.toEqual([0, 1, 2, 3]) // what equal scores would leave
  })

  test("as many ranks at the end as at the start: none is given up", async () => {
    const transform = allocateRanks(inner(), allocation({ target: 9 }))
    expect(await trained(transform, 14)).toEqual(await trained(inner(), 14))
  })

  test("nothing is left behind, and after the last allocation the state is b₀ numbers", () =>
    expectNoLeak(async () => {
      const transform = allocateRanks(adamw({ learningRate: 0.02 }), allocation())
      const numbers = 4 * (6 + 5 + 1) + 3 * (5 + 7 + 1) + 2 * (4 + 4 + 1)
      const [start, other] = [tree(0), tree(0)]
      let run: { params: Trainable; state: RankAllocationState } = { params: start, state: transform.init(other) }
      tf.dispose([...tensorsOf(other)])
      for (let step = 1; step <= 14; step++) {
        const gradients = tree(step)
        run = (await takeStep(transform, run, gradients)) as typeof run
        tf.dispose([...tensorsOf(gradients)])
        const { importance, kept } = run.state
        const held = importance.reduce((sum, { size }) => sum + size, 0)
        expect([step, held, kept?.size ?? 0]).toEqual([step, step < 12 ? numbers : 0, step < 12 ? 0 : 9])
      }
      tf.dispose([...tensorsOf(run.params)])
      disposeState(run.state)
    }))
})

test("what the inner transform says of itself comes through", () => {
  const params = tree(0)
  const asked = chain(clipByGlobalNorm(1), adamw({ learningRate: (step) => step / 10 }))
  const direction = mapTensors((tensor) => tf.zerosLike(tensor), params)
  const health = [{ sites: ["a"], smallest: tf.tensor1d([1]), damping: 1 }]
  const wrapped = allocateRanks({ ...asked, direction: () => direction, health: () => health }, allocation())
  const state = wrapped.init(params)
  expect(wrapped.learningRate!(state)).toBe(0.1)
  expect(wrapped.direction!(params, state, params)).toBe(direction)
  expect(wrapped.health!(state, params)).toBe(health)
})

test("a site that the parameters do not hold is told", () => {
  const transform = allocateRanks(inner(), { ...allocation(), sites: [{ pair: "d", values: "d.lambda" }] })
  expect(() => transform.init(tree(0))).toThrow("allocateRanks: the parameters hold no pair of d")
})
