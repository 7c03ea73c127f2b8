/** Headers of weight files that are large: what a command takes for them, in a process of its own. */
import { beforeAll, expect, test } from "bun:test"
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { cli, run, TIMEOUT, tinyPlan, workspace } from "../e2e/fixtures.ts"

const w = workspace()
const whole = { config: "", tokenizer: "" }

beforeAll(() => {
  w.model("bert")
  whole.config = w.read("bert/config.json")
  whole.tokenizer = w.read("bert/tokenizer.json")
})

/** A file with this header, a text of JSON, and no more than it. */
const withHeader = (json: string): Uint8Array => {
  const text = new TextEncoder().encode(json)
  const bytes = new Uint8Array(8 + text.length)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true)
  bytes.set(text, 8)
  return bytes
}

const entries = (count: number, entry: (i: number) => string): string =>
  `{${Array.from({ length: count }, (_, i) => `"t${i}":${entry(i)}`).join(",")}}`

const indexOf = (count: number, file: (i: number) => string) =>
  `{"weight_map":${entries(count, (i) => JSON.stringify(file(i)))}}`

const cases: ReadonlyArray<
  readonly [name: string, files: () => Readonly<Record<string, Uint8Array | string>>, says: RegExp]
> = [
  [
    "500,000 tensors of no known type",
    () => ({
      "model.safetensors": withHeader(entries(500_000, () => '{"dtype":"F31","shape":[],"data_offsets":[0,0]}'))
    }),
    /tensor t0: dtype "F31"; known are[\s\S]*and 499,980 more/
  ],
  [
    "500,000 tensors in one place",
    () => ({
      "model.safetensors": withHeader(entries(500_000, () => '{"dtype":"U8","shape":[1],"data_offsets":[0,1]}'))
    }),
    /tensor t1 overlaps tensor t0 by 1 bytes[\s\S]*and 499,980 more/
  ],
  [
    "a shape of a million numbers",
    () => ({
      "model.safetensors": withHeader(`{"t":{"dtype":"F32","shape":[${"1,".repeat(999_999)}1],"data_offsets":[0,4]}}`)
    }),
    /tensor t: its shape has 1000000 axes, more than 64 entries \(limit tensor-axes/
  ],
  [
    "a shape of a million texts",
    () => ({
      "model.safetensors": withHeader(`{"t":{"dtype":"F32","shape":[${'"a",'.repeat(999_999)}1],"data_offsets":[0,4]}}`)
    }),
    /tensor t: shape \["a","a",.*…$/m
  ],
  [
    "a name of ten megabytes",
    () => ({ "model.safetensors": withHeader(`{"${"n".repeat(10_000_000)}":{"dtype":"F32"}}`) }),
    /tensor n{200}…: shape undefined/
  ],
  [
    "a header of 40 MB",
    () => ({ "model.safetensors": withHeader(" ".repeat(40_000_000)) }),
    /a header of 40000000 bytes is announced.*\(limit safetensors-header-bytes/
  ],
  [
    "an index that names 1,000,000 files",
    () => ({ "model.safetensors.index.json": indexOf(1_000_000, (i) => `${i}.safetensors`) }),
    /index.json: names 1,000,000 files, more than 10,000 entries \(limit weight-files/
  ],
  [
    "an index of 1,000,000 names that lead elsewhere",
    () => ({ "model.safetensors.index.json": indexOf(1_000_000, () => "../x.safetensors") }),
    /tensor t0 is listed in "..\/x.safetensors"; expected[\s\S]*and 999,980 more/
  ]
]

test.each(cases)(
  "%s: one screen, in seconds and less than a gigabyte",
  async (_, files, says) => {
    rmSync(w.path("large"), { recursive: true, force: true })
    w.write("large/config.json", whole.config)
    w.write("large/tokenizer.json", whole.tokenizer)
    for (const [name, content] of Object.entries(files())) writeFileSync(w.path(`large/${name}`), content)
    w.write("plan.json", tinyPlan("large"))
    const command = [process.execPath, cli, "validate", "plan.json"]
    const { stdout } = await run([process.execPath, join(import.meta.dir, "measured.ts"), ...command], {
      cwd: w.directory
    })
    const { code, stderr, seconds, megabytes } = JSON.parse(stdout)
    expect(stderr).toMatch(says)
    expect(stderr.length).toBeLessThan(8_000)
    expect(stderr).not.toMatch(/^\s+at /m)
    expect({ code, slow: seconds > 10, large: megabytes > 1_000 }).toEqual({
      code: 1,
      slow: false,
      large: false
    })
  },
  TIMEOUT
)
