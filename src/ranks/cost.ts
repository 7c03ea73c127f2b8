/**
 * Estimates the time of a training step on N ranks, one per machine, from its time in one process:
 *
 *   seconds(N)  =  t · max kᵢ  +  u  +  d · max sᵢ  +  Σ gathers
 *
 *   t    forward and backward pass of a micro-batch; rank i has kᵢ of the step's k, and the slowest rank decides
 *   u    work that every rank repeats: the update of undivided parameters, the step's numbers
 *   d    the part of the update that ranks divide (LoRA-Pro's moves); rank i has the fraction sᵢ of it
 *   gathers    an all-gather of messages of b₁ … b_N bytes uses a ring: N − 1 rounds of the connection's latency, and each rank receives
 *              all bytes but its own, Σb − min b, at the connection's rate
 *
 * MPICH uses a ring for long messages. Open MPI sends to all ranks at once, so for many ranks on a slow connection the latency
 * counts fewer times. Not modelled: the slow start of an idle TCP connection, the time a rank takes to read gradients from
 * its device and to sum those of all ranks (some milliseconds per million values), and machines of unequal speed.
 */

/** Connection between two machines, in each direction. */
export interface Connection {
  readonly name: string
  readonly bytesPerSecond: number
  /** latency of a message, in seconds */
  readonly latency: number
}

/** Typical connections: machines in one room, and machines in two towns. */
export const connections: ReadonlyArray<Connection> = [
  { name: "1 Gbit/s, 1 ms", bytesPerSecond: 125e6, latency: 1e-3 },
  { name: "100 Mbit/s, 20 ms", bytesPerSecond: 12.5e6, latency: 20e-3 }
]

/** Size of each rank's message, in bytes. */
export type Gather = ReadonlyArray<number>

/** Returns the most bytes that a rank receives. */
export const receivedBytes = (bytes: Gather): number =>
  bytes.reduce((sum, bytesOfRank) => sum + bytesOfRank, 0) - Math.min(...bytes)

export const gatherSeconds = (bytes: Gather, { latency, bytesPerSecond }: Connection): number =>
  (bytes.length - 1) * latency + receivedBytes(bytes) / bytesPerSecond

/** Parts of a step in one process, in seconds. */
export interface StepSeconds {
  /** time of one micro-batch */
  readonly microBatch: number
  readonly update: number
  /** time of the part of the update that ranks can divide, in addition to `update` */
  readonly shared: number
}

/** Division of a step: one entry per rank. */
export interface Division {
  readonly microBatches: ReadonlyArray<number>
  /** fractions of `shared`, which sum to 1; null: every rank computes all of it */
  readonly shares: ReadonlyArray<number> | null
  readonly gathers: ReadonlyArray<Gather>
}

export interface StepOnRanks {
  readonly seconds: number
  /** time that all ranks wait for connections, included in the total */
  readonly network: number
  /** speed relative to a single process */
  readonly speedUp: number
}

export const stepOnRanks = (
  { microBatch, update, shared }: StepSeconds,
  { microBatches, shares, gathers }: Division,
  connection: Connection
): StepOnRanks => {
  const works = (microBatches: number, share: number) => microBatches * microBatch + update + share * shared
  const alone = works(
    microBatches.reduce((sum, size) => sum + size, 0),
    1
  )
  const network = gathers.reduce((sum, gather) => sum + gatherSeconds(gather, connection), 0)
  const seconds = works(Math.max(...microBatches), shares === null ? 1 : Math.max(...shares)) + network
  return { seconds, network, speedUp: alone / seconds }
}
