/** Files, paths, the terminal and the Hub, for Bun, Deno and Node: one layer for programs that use this package. */
import * as NodeChildProcessSpawner from "@effect/platform-node-shared/NodeChildProcessSpawner"
import * as NodeFileSystem from "@effect/platform-node-shared/NodeFileSystem"
import * as NodePath from "@effect/platform-node-shared/NodePath"
import * as NodeStdio from "@effect/platform-node-shared/NodeStdio"
import * as NodeTerminal from "@effect/platform-node-shared/NodeTerminal"
import * as Layer from "effect/Layer"
import { cachedHub } from "./hub/index.ts"

const parts = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, NodeStdio.layer, NodeTerminal.layer)

/** Files, paths and child processes of Bun, Deno and Node, and the Hub over its cache, as a layer. */
export const platform = Layer.merge(NodeChildProcessSpawner.layer, cachedHub).pipe(Layer.provideMerge(parts))
