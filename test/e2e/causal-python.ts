/** transformers and PEFT as judges of language models: where Python has them, and what they compute. */
import { join } from "node:path"
import { run, succeed, type Workspace } from "./fixtures.ts"

const python = process.env["PYTHON"] ?? "python3"

/** Whether Python has torch, transformers and peft. A skip is announced; REQUIRE_PEFT=1 makes it a failure. */
export const hasPeft = async (w: Workspace): Promise<boolean> => {
  const imports = Bun.which(python)
    ? await run([python, "-c", "import torch, transformers, peft, safetensors"], { cwd: w.directory })
    : { code: 127, stdout: "", stderr: `there is no ${python}` }
  if (imports.code === 0) return true
  const reason = imports.stderr.trimEnd().split("\n").at(-1)
  if (process.env["REQUIRE_PEFT"] === "1") throw new Error(`REQUIRE_PEFT=1, but ${python} has no PEFT: ${reason}`)
  console.warn(`no PEFT in ${python} (${reason}): its logits are not compared (REQUIRE_PEFT=1 makes that a failure)`)
  return false
}

export interface PythonCase {
  readonly base: string
  readonly adapter?: string
  readonly ids: ReadonlyArray<ReadonlyArray<number>>
  /** what is to be written for each, of a model that reads one text and writes another */
  readonly targets?: ReadonlyArray<ReadonlyArray<number>>
  readonly texts?: ReadonlyArray<string>
}

export interface PythonAnswer {
  readonly class: string
  /** [texts, tokens, vocabulary] */
  readonly logits: ReadonlyArray<ReadonlyArray<ReadonlyArray<number>>>
  /** ids of each of the case's texts */
  readonly encoded: ReadonlyArray<ReadonlyArray<number>>
  /** with targets: the mean loss of their tokens, and the ids that are written for each text */
  readonly loss?: number
  readonly written?: ReadonlyArray<ReadonlyArray<number>>
}

/** All cases in one process: importing torch takes longer than they do. */
export const inPython = async (
  w: Workspace,
  cases: ReadonlyArray<PythonCase>
): Promise<ReadonlyArray<PythonAnswer>> => {
  // nothing here may reach for a hub
  const env = { HF_HUB_OFFLINE: "1", TRANSFORMERS_VERBOSITY: "error", OMP_NUM_THREADS: "1" }
  const script = join(import.meta.dir, "causal_logits.py")
  const finished = run([python, script], { cwd: w.directory, stdin: JSON.stringify(cases), env })
  return JSON.parse((await succeed(finished)).stdout.trimEnd().split("\n").at(-1)!)
}
