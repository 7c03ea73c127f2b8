/** Two ranks tell each other so many bytes, again and again; the first prints the milliseconds of the fastest and of the median time. */
import * as Effect from "effect/Effect"
import { Ranks } from "../../src/ranks/index.ts"
import { launched, mpi } from "../../src/ranks/mpi/index.ts"
import { median } from "../shapes.ts"

const [bytes, times] = process.argv.slice(2).map(Number) as [number, number]

const program = Effect.gen(function* () {
  const { rank, size, allGather, barrier } = yield* Ranks
  const own = new Uint8Array(bytes)
  const lengths = Array.from({ length: size }, () => bytes)
  const took: Array<number> = []
  for (let i = 0; i < times; i++) {
    yield* barrier
    const began = performance.now()
    yield* allGather(own, lengths)
    took.push(performance.now() - began)
  }
  if (rank === 0) console.log(JSON.stringify({ least: Math.min(...took), median: median(took) }))
})

await Effect.runPromise(program.pipe(Effect.provide(mpi(launched()!))))
process.exit(0)
