/**
 * Dropout of what adapters see: y = xWᵀ + bias + s·(D(x)Aᵀ)Bᵀ while training, D(x) = x anywhere else (Hu et al. 2021;
 * `lora_dropout` of PEFT). D keeps each number with probability 1 − rate, divided by it, so that its mean is x.
 *
 * Which numbers are kept is a function of where they stand, so that a mask can be made again: in the backward pass, in
 * a block that is computed twice, on any device and number of threads, after a resume. Number i of site n's input in
 * batch b of the step that follows t steps is kept where hash(i, offset, seed) is (`src/kernels/dropout.ts`), with
 *
 *   seed    first word of the run's stream "dropout" + t
 *   offset  b·sites + n                                         both modulo 2³²
 *
 * No two of a run's masks have both in common. A layer that one pass applies several times, as recurrent ones are at
 * each time, drops the same places each time (Gal and Ghahramani 2016, arXiv 1512.05287).
 */
import type { DropoutMask } from "../src/kernels/index.ts"
import { randomStream } from "../src/numbers/index.ts"

/** Where training stands. */
export interface TrainingPlace {
  /** steps taken before */
  readonly step: number
  /** the batch among those of one step, from 0 */
  readonly batch: number
}

/** The mask of a site at a place; undefined: nothing is dropped. `rates`: of all sites, in their order. */
export const dropoutMasks = (seed: number, rates: ReadonlyArray<number>) => {
  const first = Math.floor(2 ** 32 * randomStream(seed, "dropout")())
  return ({ step, batch }: TrainingPlace, site: number): DropoutMask | undefined => {
    const rate = rates[site]!
    if (rate === 0) return undefined
    return { rate, seed: (first + step) % 2 ** 32, offset: (batch * rates.length + site) % 2 ** 32 }
  }
}
