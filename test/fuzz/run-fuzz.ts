/** Runs cases of a fuzz target in a process of their own and watches it. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface FuzzReport {
  readonly cases: number
  /** cases whose input was still valid: a mutator that spoils everything tests the first check only */
  readonly valid: number
  /** milliseconds of the slowest case */
  readonly slowest: number
  /** MB by which the largest resident memory grew after the first 200 cases */
  readonly grown: number
  /** MB by which what the garbage collector cannot free grew after the first 200 cases */
  readonly retained: number
  readonly wrong: ReadonlyArray<string>
}

/** Milliseconds for a case. The slowest takes a fraction of a second, so that a busy machine does not matter. */
export const deadline = 10_000

/**
 * MB of resident memory. A case holds at most a few copies of inputs of 1 MiB, but on a busy machine the garbage of hundreds of them
 * waits to be collected (414 MB were seen); an allocation that an input dictates is gigabytes.
 */
export const mostGrowth = 1_000

/**
 * MB after a full collection: code that is compiled late, no input of the thousands. A codec of images keeps the memory that an image
 * took, up to 64 MB (`src/images/codecs/codec.ts`), and after 200 cases it may not have met its largest yet.
 */
export const mostRetained = (target: string): number => (/\bimages\b/.test(target) ? 20 + 64 : 20)

/** Cases `first` to `first + count - 1`. A case is the same whenever it runs. */
export const runFuzz = async (target: string, first: number, count: number): Promise<FuzzReport> => {
  const folder = mkdtempSync(join(tmpdir(), "fuzz-progress-"))
  const progress = join(folder, "case")
  const program = join(import.meta.dir, "fuzz-child.ts")
  const child = Bun.spawn([process.execPath, program, target, `${first}`, `${count}`, progress], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe"
  })
  const current = () => (existsSync(progress) ? readFileSync(progress, "utf8").trim() : "")
  let hung: string | undefined
  let [last, since] = ["", performance.now()]
  const watch = setInterval(() => {
    const now = current()
    if (now !== last) [last, since] = [now, performance.now()]
    if (performance.now() - since < deadline) return
    hung = `case ${now} did not end within ${deadline} ms`
    child.kill("SIGKILL")
  }, 500)
  try {
    const [output, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
    const code = await child.exited
    const nothing = { cases: 0, valid: 0, slowest: 0, grown: 0, retained: 0 }
    if (hung !== undefined) return { ...nothing, wrong: [hung] }
    if (code !== 0) return { ...nothing, wrong: [`case ${current()} ended the process (${code}): ${errors}`] }
    return JSON.parse(output)
  } finally {
    clearInterval(watch)
    rmSync(folder, { recursive: true, force: true })
  }
}
