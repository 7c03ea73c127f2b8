/** Estimates the work, memory and traffic of each process (rank) of a run, from the plan and shapes alone. */
import { fullest, methodOf, type SelectedSite } from "../../adapters/index.ts"
import type { RunPlan } from "../../schemas/index.ts"
import { optimizerOf, ownersOf, SHARED_FROM, type SharedWork, whiteningNumbers } from "../optimizers/index.ts"
import {
  type Connection,
  connections,
  type Division,
  type Gather,
  rangesOf,
  receivedBytes,
  type StepOnRanks,
  stepOnRanks
} from "../ranks/index.ts"
import { bytesPerRank, dividedRounds } from "../training/index.ts"
import { FLOAT, type PairOfSite, pairsOf, stateOf } from "./memory.ts"
import type { ResolvedPlan } from "./resolved.ts"

/** Returns why a plan cannot be trained by this number of processes, or undefined if it can. */
export const processesProblem = (
  { training: { accumulate, batchSize } }: Pick<RunPlan, "training">,
  processes: number
): string | undefined => {
  if (accumulate >= processes) return undefined
  const rows = accumulate * batchSize
  const alike =
    rows % processes === 0 ? ` and training.batchSize to ${rows / processes}, which keeps a step's ${rows} rows` : ""
  return `training.accumulate is ${accumulate}, but the micro-batches of a step are divided among ${processes} processes, which need one each: set training.accumulate to ${processes} or more${alike}, or start ${accumulate === 1 ? "one process" : `at most ${accumulate} processes`}`
}

/** Messages of a step, gather by gather. */
export interface Travel {
  readonly gradients: ReadonlyArray<Gather>
  readonly moves: ReadonlyArray<Gather>
  /** messages for whitening on wasm and native; a GPU whitens all pairs itself */
  readonly whitenings: ReadonlyArray<Gather>
}

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, one) => total + one, 0)

/** Returns the messages of a step. `trained`: number of trainable parameters. */
export const travelOf = (
  {
    accumulate,
    trained,
    pairs,
    shared
  }: {
    readonly accumulate: number
    readonly trained: number
    readonly pairs: ReadonlyArray<PairOfSite>
    readonly shared: SharedWork
  },
  size: number
): Travel => {
  if (size === 1) return { gradients: [], moves: [], whitenings: [] }
  const width = trained + 1
  const owners = ownersOf(pairs, size)
  const moved = Array.from({ length: size }, (_, rank) =>
    sum(pairs.map(({ site, rank: r }, i) => (owners[i] === rank ? FLOAT * r * (site.in + site.out) : 0)))
  )
  const whitened = rangesOf(pairs.length, size).map(({ start, end }) =>
    sum(pairs.slice(start, end).map(({ rank }) => FLOAT * whiteningNumbers(rank)))
  )
  const times = pairs.some(({ rank }) => rank >= SHARED_FROM) ? shared.whitenings : 0
  return {
    gradients: dividedRounds(accumulate, width, size).map((ranges) => bytesPerRank(ranges, width)),
    moves: shared.moves ? [moved] : [],
    whitenings: Array.from({ length: times }, () => whitened)
  }
}

/** Estimates for one type of connection. */
export interface OnConnection {
  readonly name: string
  /** seconds of a step spent on messages */
  readonly network: number
  readonly step?: Pick<StepOnRanks, "seconds" | "speedUp">
}

export interface ProcessesEstimate {
  readonly count: number
  /** micro-batches of a step, by rank */
  readonly microBatches: ReadonlyArray<number>
  /** largest share of a step's compute time during which a rank waits for another with more micro-batches */
  readonly uneven: number
  /** bytes of optimizer state, by rank */
  readonly state: ReadonlyArray<number>
  /** bytes of optimizer state in a single process */
  readonly stateAlone: number
  /** maximum bytes that a rank receives in a step */
  readonly receives: { readonly [Part in keyof Travel]: number }
  readonly connections: ReadonlyArray<OnConnection>
}

/** Estimates a run on several processes. `stepSeconds`: time of a step in a single process, if known. */
export const processesEstimate = (
  { plan, selected, trainable }: Pick<ResolvedPlan, "plan" | "selected" | "trainable">,
  count: number,
  stepSeconds?: number
): ProcessesEstimate => {
  const { accumulate } = plan.training
  const method = methodOf(plan.adapter)
  const sites: ReadonlyArray<SelectedSite<object>> = fullest(method, selected)
  const pairs = pairsOf(method, sites)
  const optimizer = optimizerOf(plan.optimizer)
  const shared = optimizer.shared(plan.optimizer)
  const travel = travelOf({ accumulate, trained: trainable.total, pairs, shared }, count)
  const gathers = [...travel.gradients, ...travel.moves, ...travel.whitenings]

  const elementsPerRank = new Array<number>(count).fill(0)
  for (const ranges of dividedRounds(accumulate, trainable.total + 1, count))
    for (const [rank, { start, end }] of ranges.entries()) elementsPerRank[rank]! += end - start

  const { ofPairs, dense } = stateOf(plan, method, sites, trainable.dense)
  const owners = ownersOf(pairs, count)
  const state = elementsPerRank.map(
    (_, rank) => FLOAT * (dense + sum(ofPairs.filter((_, i) => !shared.moves || owners[i] === rank)))
  )
  const received = (all: ReadonlyArray<Gather>) => sum(all.map(receivedBytes))
  const division: Division = { microBatches: elementsPerRank, shares: null, gathers }
  return {
    count,
    microBatches: elementsPerRank,
    uneven: 1 - Math.min(...elementsPerRank) / Math.max(...elementsPerRank),
    state,
    stateAlone: FLOAT * (dense + sum(ofPairs)),
    receives: {
      gradients: received(travel.gradients),
      moves: received(travel.moves),
      whitenings: received(travel.whitenings)
    },
    connections: connections.map((connection) => onConnection(division, connection, accumulate, stepSeconds))
  }
}

/** Counts the whole time of a step as that of its micro-batches. */
const onConnection = (
  division: Division,
  connection: Connection,
  accumulate: number,
  stepSeconds: number | undefined
): OnConnection => {
  const microBatch = (stepSeconds ?? 0) / accumulate
  const { network, seconds, speedUp } = stepOnRanks({ microBatch, update: 0, shared: 0 }, division, connection)
  return {
    name: connection.name,
    network,
    ...(stepSeconds === undefined ? {} : { step: { seconds, speedUp } })
  }
}
