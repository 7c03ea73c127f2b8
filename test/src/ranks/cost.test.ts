/** What a step takes on several ranks, beside the same worked out round by round. */
import { expect, test } from "bun:test"
import { type Connection, connections, gatherSeconds, stepOnRanks } from "../../../src/ranks/index.ts"

const connection: Connection = { name: "test", bytesPerSecond: 1000, latency: 0.5 }

test("an all-gather is N − 1 rounds around a ring, in which each rank passes on what came last", () => {
  for (const size of [2, 3, 4, 7]) {
    // messages that are equally long: all links are busy in each round
    let seconds = 0
    const has = Array.from({ length: size }, (_, rank) => new Set([rank]))
    for (let round = 0; round < size - 1; round++) {
      for (let rank = 0; rank < size; rank++) has[(rank + 1) % size]!.add((rank - round + size) % size)
      seconds += connection.latency + 250 / connection.bytesPerSecond
    }
    expect(has.every(({ size: own }) => own === size)).toBe(true)
    expect(gatherSeconds(new Array(size).fill(250), connection)).toBeCloseTo(seconds, 12)
  }
})

test("of unequal messages, who has the shortest receives the most", () => {
  expect(gatherSeconds([100, 200, 400], connection)).toBeCloseTo(2 * 0.5 + 0.6, 12)
  expect(gatherSeconds([100], connection)).toBe(0)
})

test("a step takes what its slowest rank takes, and the connections' time", () => {
  const seconds = { microBatch: 2, update: 1, shared: 4 }
  const gathers = [[500, 500]]
  const together = stepOnRanks(seconds, { microBatches: [2, 3], shares: null, gathers }, connection)
  expect(together).toEqual({ seconds: 3 * 2 + 1 + 4 + 1, network: 1, speedUp: (5 * 2 + 1 + 4) / 12 })
  const apart = stepOnRanks(seconds, { microBatches: [2, 3], shares: [0.5, 0.5], gathers }, connection)
  expect(apart.seconds).toBe(10)
  const alone = stepOnRanks(seconds, { microBatches: [5], shares: null, gathers: [] }, connection)
  expect(alone).toEqual({ seconds: 15, network: 0, speedUp: 1 })
})

test("no number of ranks is faster than its connections", () => {
  const [fast] = connections
  const bytes = 4 * 332_546
  for (const size of [2, 8, 64]) {
    const gathers = [new Array<number>(size).fill((64 / size) * bytes)]
    const division = { microBatches: new Array<number>(size).fill(64 / size), shares: null, gathers }
    const { seconds, network } = stepOnRanks({ microBatch: 0.1, update: 0, shared: 0 }, division, fast!)
    expect(seconds).toBeCloseTo(6.4 / size + network, 9)
    // each rank receives the gradients of all micro-batches but its own, whatever the number of ranks
    expect(network).toBeCloseTo((64 * bytes * (1 - 1 / size)) / 125e6 + (size - 1) * 1e-3, 9)
  }
})
