/** The first rows of a data file with all their columns, for a look at what they are. */
import * as Effect from "effect/Effect"
import { type DataError, dataError } from "../data-error.ts"
import { recordReader } from "../records.ts"
import { type Fields, isFields, kindOf } from "./fields.ts"
import { openValues } from "./open-rows.ts"

/** At most `count` rows, those that cannot be read left out. Fails where none can, with what is wrong with the first. */
export const firstRows = (path: string, count: number): Effect.Effect<ReadonlyArray<Fields>, DataError> =>
  Effect.gen(function* () {
    const { file, from, ends, parse } = yield* openValues(path, { first: count })
    const reader = recordReader(file, from, ends())
    // a chunk may end before its first record does
    let records = yield* reader.next
    while (records?.length === 0) records = yield* reader.next
    const read = records?.slice(0, count) ?? []
    const [first] = read
    if (first === undefined) return yield* dataError(file.name, "the file has no rows; at least one is needed")
    const rows = parse(read)
    const fields = rows.flatMap((row) => ("value" in row && isFields(row.value) ? [row.value] : []))
    if (fields.length > 0) return fields
    const broken = rows[0]!
    const reason = "broken" in broken ? broken.broken : `found ${kindOf(broken.value)}, expected one object a line`
    return yield* dataError(`${file.name}:${first.line}`, reason)
  }).pipe(Effect.scoped)
