/**
 * Packing: several examples in one row of a batch, so that little of it is padding. Best fit, the longest first: each example
 * goes where it leaves the least room, and into a new row where it fits nowhere. (At most 11/9 of the fewest rows possible,
 * and a row; Johnson 1973. First fit in the order of the data needs up to 17/10.)
 */

/** The rows, each as its examples; none is longer than `capacity` tokens unless a single example is. Equal lengths keep their order. */
export const packed = <A>(
  examples: ReadonlyArray<A>,
  lengthOf: (example: A) => number,
  capacity: number
): ReadonlyArray<ReadonlyArray<A>> => {
  const rows: Array<Array<A>> = []
  // by the room that is left: the rows that have it
  const withRoom: Array<Array<Array<A>>> = Array.from({ length: capacity + 1 }, () => [])
  for (const example of examples.toSorted((a, b) => lengthOf(b) - lengthOf(a))) {
    const length = lengthOf(example)
    let room = length
    while (room <= capacity && withRoom[room]!.length === 0) room++
    const row = withRoom[room]?.pop() ?? []
    if (row.length === 0) rows.push(row)
    row.push(example)
    withRoom[(row.length === 1 ? capacity : room) - length]?.push(row)
  }
  return rows
}
