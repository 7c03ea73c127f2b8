/** What answers the studio's questions with files and a device alone: in a child process of its server, in a worker of a page. */
export { type Answering, answer, answering, events, problemIn, telling, VerbRefused } from "./answering.ts"
export { ComesWith } from "./comes-with.ts"
export { engineHandlers } from "./engine.ts"
export {
  type CallHandlers,
  type EngineNeeds,
  type Handlers,
  handlersOf,
  type Reported,
  type WatchHandlers
} from "./handlers.ts"
