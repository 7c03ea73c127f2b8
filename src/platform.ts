/** Files, paths and the terminal, for Bun, Deno and Node: one layer for programs that use this package. */
import * as NodeChildProcessSpawner from "@effect/platform-node-shared/NodeChildProcessSpawner"
import * as NodeFileSystem from "@effect/platform-node-shared/NodeFileSystem"
import * as NodePath from "@effect/platform-node-shared/NodePath"
import * as NodeStdio from "@effect/platform-node-shared/NodeStdio"
import * as NodeTerminal from "@effect/platform-node-shared/NodeTerminal"
import * as Layer from "effect/Layer"

const parts = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, NodeStdio.layer, NodeTerminal.layer)

/** Files, paths and child processes of Bun, Deno and Node, as a layer. */
export const platform = NodeChildProcessSpawner.layer.pipe(Layer.provideMerge(parts))
