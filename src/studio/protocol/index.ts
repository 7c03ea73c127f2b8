/** What the studio's page and its host say to each other. The page imports its types alone. */
export type { Doing, Problem, Reply, Request } from "./messages.ts"
export type * from "./values.ts"
export {
  type CallName,
  calls,
  type Input,
  type Output,
  type WatchEvent,
  type WatchInput,
  type WatchName,
  watches
} from "./verbs.ts"
