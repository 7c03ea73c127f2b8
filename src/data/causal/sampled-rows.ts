/** Some rows of a split, to be looked at for all of it. */
import * as Effect from "effect/Effect"
import { randomStream } from "../../numbers/index.ts"
import type { DataError } from "../data-error.ts"
import { shuffle } from "../order.ts"
import { textsOf } from "./content.ts"
import type { CausalRow } from "./row.ts"
import type { CausalSplit } from "./split.ts"

// Tokenising them takes about a second.
const mostCharacters = 1_000_000
const rowsPerRead = 16

/**
 * At most `most` rows, evenly spaced and always the same; fewer where they are long, but sixteen at least. They come in no
 * order, so that fewer are a sample too.
 */
export const sampledRows = (split: CausalSplit, most: number): Effect.Effect<ReadonlyArray<CausalRow>, DataError> =>
  Effect.gen(function* () {
    const count = Math.min(split.rows, most)
    const indices = Uint32Array.from({ length: count }, (_, i) => Math.floor((i * split.rows) / count))
    shuffle(indices, randomStream(0, "sample"))
    const rows: Array<CausalRow> = []
    let characters = 0
    for (let at = 0; at < count && characters < mostCharacters; at += rowsPerRead) {
      for (const row of yield* split.read(indices.subarray(at, at + rowsPerRead))) {
        rows.push(row)
        for (const text of textsOf(row.content)) characters += text.length
      }
    }
    return rows
  })
