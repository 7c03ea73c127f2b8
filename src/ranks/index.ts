/** Ranks: the processes of one run, and their communication. */

export {
  type Connection,
  connections,
  type Division,
  type Gather,
  gatherSeconds,
  receivedBytes,
  type StepOnRanks,
  type StepSeconds,
  stepOnRanks
} from "./cost.ts"
export { both, floats, json, type Message } from "./message.ts"
export {
  alone,
  begunTogether,
  fromAll,
  onFirst,
  type Range,
  RankError,
  Ranks,
  type RanksShape,
  rangesOf
} from "./ranks.ts"
export { computesThing, type Divided, inRounds } from "./rounds.ts"
export { stoppingTogether } from "./stopping.ts"
