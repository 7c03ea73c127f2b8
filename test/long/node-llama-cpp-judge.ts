/** llama.cpp as npm's node-llama-cpp has it, as a judge of exported files. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { run, succeed, type Workspace } from "../e2e/fixtures.ts"

const folder = process.env["TFJS_LORA_PRO_NODE_LLAMA_CPP"]

/** Whether it can be asked. A skip is announced; REQUIRE_NODE_LLAMA_CPP=1 makes it a failure. */
export const hasNodeLlamaCpp = (): boolean => {
  if (folder !== undefined && existsSync(join(folder, "node_modules", "node-llama-cpp"))) return true
  const reason = "TFJS_LORA_PRO_NODE_LLAMA_CPP names no folder in which npm has installed node-llama-cpp"
  if (process.env["REQUIRE_NODE_LLAMA_CPP"] === "1") throw new Error(`REQUIRE_NODE_LLAMA_CPP=1, but ${reason}`)
  console.warn(
    `no llama.cpp (${reason}): exported files are not run in it (REQUIRE_NODE_LLAMA_CPP=1 makes that a failure)`
  )
  return false
}

export interface AskedFile {
  readonly model: string
  readonly adapter?: string
  readonly ids: ReadonlyArray<ReadonlyArray<number>>
  readonly texts?: ReadonlyArray<string>
  readonly generate?: { readonly ids: ReadonlyArray<number>; readonly tokens: number }
}

export interface FileAnswer {
  /** why it is refused */
  readonly error?: string
  /** [texts, tokens, vocabulary] */
  readonly logits: ReadonlyArray<ReadonlyArray<ReadonlyArray<number>>>
  /** ids of each of the case's texts */
  readonly encoded: ReadonlyArray<ReadonlyArray<number>>
  /** ids after those of `generate`, greedily */
  readonly generated: ReadonlyArray<number>
}

export const inNodeLlamaCpp = async (
  w: Workspace,
  cases: ReadonlyArray<AskedFile>
): Promise<ReadonlyArray<FileAnswer>> => {
  const script = join(import.meta.dir, "node_llama_cpp.mjs")
  const finished = run(["node", script, folder!], { cwd: w.directory, stdin: JSON.stringify(cases) })
  return JSON.parse((await succeed(finished)).stdout.trimEnd().split("\n").at(-1)!)
}
