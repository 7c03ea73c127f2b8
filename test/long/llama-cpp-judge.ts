/** llama.cpp as a judge of adapters and merged models: where it is, what its converters write, and the logits that it computes. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { run, succeed, type Workspace } from "../e2e/fixtures.ts"

const python = process.env["PYTHON"] ?? "python3"
const sources = process.env["TFJS_LORA_PRO_LLAMA_CPP"]

const converters = { adapter: "convert_lora_to_gguf.py", model: "convert_hf_to_gguf.py" } as const

/** What is missing; undefined: nothing. */
const missing = async (w: Workspace): Promise<string | undefined> => {
  if (sources === undefined) return "TFJS_LORA_PRO_LLAMA_CPP names no folder with llama.cpp's sources"
  const absent = Object.values(converters).filter((script) => !existsSync(join(sources, script)))
  if (absent.length > 0) return `${sources} has no ${absent.join(" and no ")}`
  const imports = await run([python, "-c", "import llama_cpp, torch, transformers, sentencepiece"], {
    cwd: w.directory
  })
  return imports.code === 0 ? undefined : `${python}: ${imports.stderr.trimEnd().split("\n").at(-1)}`
}

/** Whether llama.cpp can be asked. A skip is announced; REQUIRE_LLAMA_CPP=1 makes it a failure. */
export const hasLlamaCpp = async (w: Workspace): Promise<boolean> => {
  const reason = await missing(w)
  if (reason === undefined) return true
  if (process.env["REQUIRE_LLAMA_CPP"] === "1") throw new Error(`REQUIRE_LLAMA_CPP=1, but ${reason}`)
  console.warn(`no llama.cpp (${reason}): its logits are not compared (REQUIRE_LLAMA_CPP=1 makes that a failure)`)
  return false
}

// nothing here may reach for a hub
const env = { HF_HUB_OFFLINE: "1", TRANSFORMERS_VERBOSITY: "error", OMP_NUM_THREADS: "1" }

const asked = async (w: Workspace, script: string, jobs: unknown): Promise<ReadonlyArray<never>> => {
  const finished = run([python, join(import.meta.dir, script)], { cwd: w.directory, stdin: JSON.stringify(jobs), env })
  return JSON.parse((await succeed(finished)).stdout.trimEnd().split("\n").at(-1)!)
}

/** A GGUF file to be written: of a folder, or of an adapter over what a folder's config.json says. */
export type Conversion =
  | { readonly out: string; readonly model: string }
  | { readonly out: string; readonly adapter: string; readonly base: string }

export interface Converted {
  readonly code: number
  readonly output: string
}

/** Each in float32, by the converter as it is. Paths are the workspace's. */
export const convert = (w: Workspace, conversions: ReadonlyArray<Conversion>): Promise<ReadonlyArray<Converted>> => {
  const commands = conversions.map((one) => {
    const out = ["--outtype", "f32", "--outfile", w.path(one.out)]
    return "model" in one
      ? [join(sources!, converters.model), ...out, w.path(one.model)]
      : [join(sources!, converters.adapter), ...out, "--base", w.path(one.base), w.path(one.adapter)]
  })
  return asked(w, "llama_cpp_convert.py", commands)
}

export interface LlamaCppCase {
  readonly model: string
  readonly adapter?: string
  /** what the command line multiplies the adapter with */
  readonly scale?: number
  readonly ids: ReadonlyArray<ReadonlyArray<number>>
  readonly texts?: ReadonlyArray<string>
}

export interface LlamaCppAnswer {
  /** why the adapter is refused */
  readonly error?: string
  /** [texts, tokens, vocabulary] */
  readonly logits: ReadonlyArray<ReadonlyArray<ReadonlyArray<number>>>
  /** ids of each of the case's texts */
  readonly encoded: ReadonlyArray<ReadonlyArray<number>>
}

export const inLlamaCpp = (w: Workspace, cases: ReadonlyArray<LlamaCppCase>): Promise<ReadonlyArray<LlamaCppAnswer>> =>
  asked(w, "llama_cpp_logits.py", cases)
