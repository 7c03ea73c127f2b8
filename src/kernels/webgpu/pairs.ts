/** Factor pairs on the GPU: what programs over all of them bind, in lists that can be bound at once, and their records. */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { bounded } from "../tensor-lists.ts"
import { floatBits } from "../wasm/engine.ts"
import { layoutOf, type WebgpuEngine } from "./engine.ts"
import { shiftOf } from "./long-sums.ts"
import { TILE, WORKGROUP } from "./pair-tiles.ts"
import { placesOf } from "./records.ts"

/** A pair's inputs of the theorem; their meaning is defined in `lora-pro-theorem.ts`. */
export interface PairOnWebgpu {
  readonly A: TensorInfo
  readonly B: TensorInfo
  readonly gA: TensorInfo
  readonly gB: TensorInfo
  /** T_B, s⁻² T_Bᵀ, T_Aᵀ, s⁻² T_A, S */
  readonly whitening: ReadonlyArray<TensorInfo>
  /** s, if g̃ is computed; otherwise unused */
  readonly scale: number
}

/** Sizes of a pair; W is [out, in]. */
export interface PairSizes {
  readonly r: number
  readonly inputs: number
  readonly outputs: number
}

/** Returns the sizes of a pair. */
export const sizesOf = ({ A, B }: PairOnWebgpu): PairSizes => ({
  r: A.shape[0]!,
  inputs: A.shape[1]!,
  outputs: B.shape[0]!
})

const factorSizes = ({ r, inputs, outputs }: PairSizes): ReadonlyArray<number> => [r * inputs, outputs * r]

const whiteningSizes = ({ r }: PairSizes): ReadonlyArray<number> => Array.from({ length: 5 }, () => r * r)

/** Numbers in the largest of a pair's arenas. */
const largestOf = (pair: PairOnWebgpu): number => {
  const sizes = sizesOf(pair)
  return Math.max(layoutOf(factorSizes(sizes)).elements, layoutOf(whiteningSizes(sizes)).elements)
}

/** Groups pairs whose tensors can be bound at once: one list, except for very many or very large pairs. */
export const boundedPairs = <T extends PairOnWebgpu>(
  engine: WebgpuEngine,
  pairs: ReadonlyArray<T>
): ReadonlyArray<ReadonlyArray<T>> => bounded(pairs, largestOf, engine.mostNumbers)

/** Returns the records of pairs. */
export const recordsOfPairs = (pairs: ReadonlyArray<PairOnWebgpu>) => {
  const sizes = pairs.map(sizesOf)
  const factors = layoutOf(sizes.flatMap(factorSizes))
  const whitenings = layoutOf(sizes.flatMap(whiteningSizes))
  const small = placesOf(sizes.map(({ r }) => 2 * r * r))
  const tiles = sizes.map(({ r, inputs, outputs }) => {
    const WIDTH_SHIFT = Math.log2(Math.min(WORKGROUP, TILE >> Math.ceil(Math.log2(r))))
    const width = 1 << WIDTH_SHIFT
    const SHIFT = shiftOf(r)
    const TILES = Math.ceil(r / (1 << SHIFT))
    return { WIDTH_SHIFT, FLATS: Math.ceil(inputs / width), talls: Math.ceil(outputs / width), SHIFT, TILES }
  })
  const groups = placesOf(tiles.map(({ FLATS, talls }) => FLATS + talls))
  const splits = placesOf(tiles.map(({ TILES }) => 2 * TILES ** 2))
  const records = pairs.map(({ scale }, i) => {
    const { r, inputs, outputs } = sizes[i]!
    const { WIDTH_SHIFT, FLATS, SHIFT, TILES } = tiles[i]!
    const [A, B] = factors.starts.slice(2 * i)
    const [TB, TBGRAD, TAT, TAGRAD, S] = whitenings.starts.slice(5 * i)
    return {
      ...{ R: r, INPUTS: inputs, OUTPUTS: outputs, SCALE: floatBits(scale) },
      ...{ A: A!, B: B!, TB: TB!, TBGRAD: TBGRAD!, TAT: TAT!, TAGRAD: TAGRAD!, S: S! },
      // as A and B lie
      ...{ FLAT: A!, TALL: B!, SMALL: small.starts[i]! },
      ...{ FIRST: groups.starts[i]!, WIDTH_SHIFT, FLATS, FIRST_SPLIT: splits.starts[i]!, SHIFT, TILES }
    }
  })
  return { records, groups: groups.end, splits: splits.end, numbers: { thin: factors.elements, small: small.end } }
}
