/**
 * What a training step takes on N ranks, one a machine, from what it takes one process:
 *
 *   seconds(N)  =  t · max kᵢ  +  u  +  d · max sᵢ  +  Σ gathers
 *
 *   t    forward and backward of a micro-batch; rank i has kᵢ of the step's k, and the last one is waited for
 *   u    what every rank does for itself: the update of what is not divided, the step's numbers
 *   d    the part of the update that ranks share (LoRA-Pro's moves); rank i has the share sᵢ of it
 *   gathers    an all-gather of messages of b₁ … b_N bytes goes round a ring: N − 1 rounds of the connection's latency, and each rank receives
 *              all bytes but its own, Σb − min b, at the connection's rate
 *
 * The ring is what MPICH does with long messages. Open MPI sends to all ranks at once, so that for many ranks on a slow connection its latency
 * counts fewer times. What is left out: a message begins slowly on a connection that was idle (TCP's slow start), a rank reads gradients from
 * its device and sums those of all (some milliseconds per million numbers), and machines that are not equally fast wait for the slowest.
 */

/** Between two machines, in each direction. */
export interface Connection {
  readonly name: string
  readonly bytesPerSecond: number
  /** seconds that a message is on its way */
  readonly latency: number
}

/** Machines in one room, and machines in two towns. */
export const connections: ReadonlyArray<Connection> = [
  { name: "1 Gbit/s, 1 ms", bytesPerSecond: 125e6, latency: 1e-3 },
  { name: "100 Mbit/s, 20 ms", bytesPerSecond: 12.5e6, latency: 20e-3 }
]

/** Bytes of each rank's message. */
export type Gather = ReadonlyArray<number>

/** Bytes that a rank receives, at most. */
export const receivedBytes = (bytes: Gather): number => bytes.reduce((sum, own) => sum + own, 0) - Math.min(...bytes)

export const gatherSeconds = (bytes: Gather, { latency, bytesPerSecond }: Connection): number =>
  (bytes.length - 1) * latency + receivedBytes(bytes) / bytesPerSecond

/** A step's parts in one process: seconds. */
export interface StepSeconds {
  /** of one micro-batch */
  readonly microBatch: number
  readonly update: number
  /** the part of the update that ranks share where they share any; beside `update` */
  readonly shared: number
}

/** How a step is divided: one entry a rank. */
export interface Division {
  readonly microBatches: ReadonlyArray<number>
  /** shares of `shared` that add up to 1; null: every rank does all of it */
  readonly shares: ReadonlyArray<number> | null
  readonly gathers: ReadonlyArray<Gather>
}

export interface StepOnRanks {
  readonly seconds: number
  /** of it, in which all ranks wait for connections */
  readonly network: number
  /** how many times as fast as one process alone */
  readonly speedUp: number
}

export const stepOnRanks = (
  { microBatch, update, shared }: StepSeconds,
  { microBatches, shares, gathers }: Division,
  connection: Connection
): StepOnRanks => {
  const works = (microBatches: number, share: number) => microBatches * microBatch + update + share * shared
  const alone = works(
    microBatches.reduce((sum, own) => sum + own, 0),
    1
  )
  const network = gathers.reduce((sum, gather) => sum + gatherSeconds(gather, connection), 0)
  const seconds = works(Math.max(...microBatches), shares === null ? 1 : Math.max(...shares)) + network
  return { seconds, network, speedUp: alone / seconds }
}
