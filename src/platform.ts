/** Files, paths, the terminal and the Hub, for Bun, Deno and Node: one layer for programs that use this package. */
import * as NodeChildProcessSpawner from "@effect/platform-node-shared/NodeChildProcessSpawner"
import * as NodeFileSystem from "@effect/platform-node-shared/NodeFileSystem"
import * as NodePath from "@effect/platform-node-shared/NodePath"
import * as NodeStdio from "@effect/platform-node-shared/NodeStdio"
import * as NodeTerminal from "@effect/platform-node-shared/NodeTerminal"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { LanguageGuesser } from "./data/languages.ts"
import { cachedHub } from "./hub/index.ts"

const parts = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, NodeStdio.layer, NodeTerminal.layer)

const guesser = Layer.succeed(
  LanguageGuesser,
  Effect.map(
    Effect.promise(() => import("franc-min")),
    ({ franc }) => franc
  )
)

/** Files, paths and child processes of Bun, Deno and Node, and the Hub over its cache, as a layer. */
export const platform = Layer.mergeAll(NodeChildProcessSpawner.layer, cachedHub, guesser).pipe(
  Layer.provideMerge(parts)
)
