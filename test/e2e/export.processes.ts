/** `export` as a process: what it writes, and what it refuses. */
import { beforeAll, describe, expect, test } from "bun:test"
import { trainTiny } from "../src/output/tiny-run.ts"
import { jsonObjects, listing, onWasm, succeed, TIMEOUT, workspace } from "./fixtures.ts"

const w = workspace()
let run: string

beforeAll(async () => {
  w.model("minilm")
  run = await trainTiny(w, "tiny", "minilm", { adapter: { method: "lora", rank: 4, alpha: 8 } })
}, TIMEOUT)

/** One message on stderr, exit 1, no stack, and not a file more or less. */
const refused = async (args: ReadonlyArray<string>, ...says: ReadonlyArray<string>) => {
  const before = listing(w.directory)
  const { code, stdout, stderr } = await w.cli(["export", ...args, ...onWasm])
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
  for (const words of says) expect(stderr).toContain(words)
  expect(stderr).not.toContain("    at ")
  expect(stderr.match(/ERROR/g)!.length).toBe(1)
  expect(listing(w.directory)).toEqual(before)
}

describe("export RUN --format huggingface", () => {
  test(
    "writes what merge writes, into a folder of the format's name",
    async () => {
      await succeed(w.cli(["merge", "runs/tiny", ...onWasm]))
      const { stdout } = await succeed(w.cli(["export", "runs/tiny", "--format", "huggingface", "--json", ...onWasm]))
      const [report, ...more] = jsonObjects(stdout)
      expect(more).toEqual([])
      expect(report).toMatchObject({
        directory: "runs/tiny/huggingface",
        format: "huggingface",
        check: { sameLabel: 6 }
      })
      const files = listing(`${run}/merged`)
      expect((report as { files: ReadonlyArray<{ name: string }> }).files.map(({ name }) => name)).toEqual([...files])
      for (const file of files) {
        expect(w.bytes(`runs/tiny/huggingface/${file}`)).toEqual(w.bytes(`runs/tiny/merged/${file}`))
      }
    },
    TIMEOUT
  )

  test(
    "refuses a folder that exists",
    () => refused(["runs/tiny", "--format", "huggingface"], "runs/tiny/huggingface exists already", "--out"),
    TIMEOUT
  )

  test(
    "refuses a base that is not there",
    () => refused(["runs/tiny", "--format", "huggingface", "--out", "new", "--base", "nowhere"], "nowhere"),
    TIMEOUT
  )

  test(
    "refuses what the run does not merge into, and says what it does",
    () =>
      refused(["runs/tiny", "--format", "layers-model"], "runs/tiny: merges into a Hugging Face folder: use --format"),
    TIMEOUT
  )
})
