/**
 * Division of pairs among the ranks of a run: each moves some pairs and alone holds their state. The moves are sent to the others, r·(in + out)
 * values per pair and step, and have the same bits whichever rank computed them.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { floats, type RanksShape } from "../ranks/index.ts"
import {
  type FactorPair,
  type Factors,
  type LinearSite,
  readTogether,
  tensorsFrom,
  withFactors
} from "../tensors/index.ts"
import { tensorsWithin } from "./state-fault.ts"
import { Elsewhere, type Shared, type State } from "./transform.ts"

/**
 * Returns the rank that moves each pair: in descending order of [out, in], each goes to the rank with the fewest values so far. All ranks agree.
 */
export const ownersOf = (
  pairs: ReadonlyArray<{
    /** the layer's in and out, whose product measures the pair's work */
    readonly site: Pick<LinearSite, "in" | "out">
  }>,
  size: number
): ReadonlyArray<number> => {
  const numbers = new Array<number>(size).fill(0)
  const owners = new Array<number>(pairs.length).fill(0)
  const sizes = pairs.map(({ site }) => site.out * site.in)
  for (const i of [...sizes.keys()].sort((a, b) => sizes[b]! - sizes[a]! || a - b)) {
    const least = numbers.indexOf(Math.min(...numbers))
    owners[i] = least
    numbers[least]! += sizes[i]!
  }
  return owners
}

/** Division of a transform's pairs among ranks. */
export interface PairSharing {
  /** rank of this process, from 0 */
  readonly rank: number
  /** Returns the rank that moves each pair. */
  readonly ownersOf: (pairs: ReadonlyArray<FactorPair>) => ReadonlyArray<number>
  /** Returns the sharing of a transform whose state is a list with one entry per pair. */
  readonly shared: <S extends State>() => Shared<ReadonlyArray<S>>
}

/** Divides the work on pairs among the processes of a run: each pair has one owner, whose result all use. */
export const pairsAmong = (ranks: RanksShape): PairSharing => ({
  rank: ranks.rank,
  ownersOf: (pairs) => ownersOf(pairs, ranks.size),
  shared: () => sharedAmong(ranks)
})

const sharedAmong = <S extends State>({ rank, size, allGather }: RanksShape): Shared<ReadonlyArray<S>> => ({
  complete: ({ pairs, dense }) =>
    Effect.gen(function* () {
      const owners = ownersOf(pairs, size)
      const movesOf = Array.from({ length: size }, (_, of) =>
        pairs.flatMap(({ A, B }, i) => (owners[i] === of ? [A, B] : []))
      )
      const localMoves = yield* readTogether(movesOf[rank]!, "the updates that this rank has made")
      const lengths = movesOf.map((moves) => moves.reduce((sum, move) => sum + 4 * move.size, 0))
      const gathered = yield* allGather(floats.write(localMoves), lengths)
      const made = movesOf.map((moves, of) => {
        if (of === rank) return moves.values()
        const shapes = moves.map(({ shape }) => shape)
        tf.dispose(moves)
        return tensorsFrom(floats.read(gathered[of]!), shapes).values()
      })
      const factors = owners.map((owner): Factors => {
        const [A, B] = [made[owner]!.next().value, made[owner]!.next().value]
        return { A: A as tf.Tensor2D, B: B as tf.Tensor2D }
      })
      return { pairs: withFactors(pairs, factors), dense }
    }),
  keep: (states, { pairs }) => {
    const owners = ownersOf(pairs, size)
    return states.map((state, i) => (owners[i] === rank ? state : (elsewhere(state, owners[i]!) as S)))
  },
  held: (states) => states.flatMap(tensorsWithin)
})

/** A state with its tensors disposed, since `rank` holds them. */
const elsewhere = (state: State, rank: number): State => {
  if (state === null || typeof state === "number") return state
  if (state instanceof Elsewhere) return new Elsewhere(rank, state.shape)
  if (state instanceof tf.Tensor) {
    state.dispose()
    return new Elsewhere(rank, state.shape)
  }
  if (Array.isArray(state)) return state.map((part) => elsewhere(part, rank))
  return Object.fromEntries(Object.entries(state).map(([key, part]) => [key, elsewhere(part, rank)]))
}
