/**
 * What a step did to the factors: the numbers by which the efficient form's illness shows. One line a site and step,
 * as JSON.
 */
import type { Tensor } from "@tensorflow/tfjs"
import { symmetricEigen } from "../../src/linalg/symmetric-eigen.ts"
import { gramOfColumns } from "../../src/optimizers/whitening.ts"
import type { Trainable } from "../../src/tensors/trainable.ts"
import type { Run } from "./adapt.ts"
import { optimizerOf } from "./methods.ts"
import type { Trainer } from "./trainer.ts"

const valuesOf = (tensor: Tensor): Float32Array => tensor.dataSync() as Float32Array

const rms = (values: Float32Array): number =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length)

interface Watched {
  readonly site: string
  readonly A: Float32Array
  readonly B: Float32Array
  /** of BᵀB */
  readonly eigenvalues: ReadonlyArray<number>
}

const watched = ({ pairs }: Trainable): ReadonlyArray<Watched> =>
  pairs.map(({ site, A, B }) => {
    const r = A.shape[0]
    const values = { A: valuesOf(A).slice(), B: valuesOf(B).slice() }
    const eigenvalues = [...symmetricEigen(gramOfColumns(values.B, site.out, r), r).values]
    return { site: site.name, ...values, eigenvalues }
  })

/** The root mean square of a move in units of the learning rate: what Adam made of the direction. */
const movedBy = (now: Float32Array, before: Float32Array, rate: number): number =>
  rms(now.map((value, i) => value - before[i]!)) / rate

/** A watcher of one run; the first step has nothing to compare with and is left out. */
export const watcher = (run: Run, print: (line: object) => void): ((training: Trainer, loss: number) => void) => {
  const schedule = optimizerOf(run.method, run.learningRate, run.steps)
  let before: ReadonlyArray<Watched> | undefined
  let step = 0
  /** of the step that is taken next: a state after a step tells the rate of the one to come */
  let rate = run.learningRate
  return ({ params, state }, loss) => {
    step++
    const now = watched(params)
    now.forEach(({ site, A, B, eigenvalues }, i) => {
      const last = before?.[i]
      if (last === undefined) return
      const moves = { moveA: movedBy(A, last.A, rate), moveB: movedBy(B, last.B, rate) }
      const [smallest, largest] = [eigenvalues[0], eigenvalues.at(-1)]
      print({ kind: "step", step, loss, site, rmsA: rms(A), rmsB: rms(B), smallest, largest, ...moves })
    })
    before = now
    rate = schedule.learningRate?.(state) ?? rate
  }
}
