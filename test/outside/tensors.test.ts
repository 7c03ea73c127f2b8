/** Headers of safetensors and GGUF files that lie, seen from the command line: one sentence for each, or twenty. */
import { beforeAll, describe, expect, test } from "bun:test"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { limits, setLimits } from "../../src/boundary/index.ts"
import { readGgufHeader } from "../../src/models/gguf/header.ts"
import { repository, tinyPlan, workspace } from "../e2e/fixtures.ts"
import { failure } from "../src/models/golden.ts"

const w = workspace()
beforeAll(() => w.model("bert"))

/** A file with this header, a text of JSON, and so many bytes. */
const withHeader = (json: string, data: number): Uint8Array => {
  const text = new TextEncoder().encode(json)
  const bytes = new Uint8Array(8 + text.length + data)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true)
  bytes.set(text, 8)
  return bytes
}

describe("a safetensors file", () => {
  const f32 = (shape: string, begin: number, end: number) =>
    `{"dtype":"F32","shape":${shape},"data_offsets":[${begin},${end}]}`

  test.each([
    [
      "a name twice, of the same bytes",
      `{"a":${f32("[2]", 0, 8)},"a":${f32("[1,2]", 0, 8)}}`,
      "the header has a key twice"
    ],
    [
      "a field twice",
      `{"a":{"dtype":"F32","shape":[9],"shape":[2],"data_offsets":[0,8]}}`,
      "the header has a key twice"
    ],
    [
      "two tensors in one place",
      `{"a":${f32("[2]", 0, 8)},"b":${f32("[2]", 0, 8)}}`,
      "tensor b overlaps tensor a by 8 bytes"
    ],
    ["a tensor after the end", `{"a":${f32("[2]", 0, 8)},"b":${f32("[2]", 8, 16)}}`, "truncated: "],
    ["a hole", `{"a":${f32("[1]", 4, 8)}}`, "4 bytes between the header and tensor a do not belong to a tensor"],
    ["an offset of 2^60", `{"a":${f32("[2]", 0, 2 ** 60)}}`, "tensor a: data_offsets [0,1152921504606847000]"],
    [
      "sizes that multiply to infinity",
      `{"a":${f32(`[${Array(40).fill(9e15)}]`, 0, 8)}}`,
      "is Infinity bytes, data_offsets span 8"
    ],
    [
      "65 axes",
      `{"a":${f32(`[${Array(64).fill(1)},2]`, 0, 8)}}`,
      "its shape has 65 axes, more than 64 entries (limit tensor-axes"
    ],
    ["a name in colours", `{"\\u001b[31mred":7}`, "tensor \\u001b[31mred: its entry is not an object"]
  ])("with %s", async (_, header, says) => {
    w.model("bert", "lying")
    writeFileSync(w.path("lying/model.safetensors"), withHeader(header, 8))
    w.write("plan.json", tinyPlan("lying"))
    const { code, stderr } = await w.cli(["validate", "plan.json"])
    expect(stderr).toContain(says)
    expect(code).toBe(1)
  })

  test("quotes and colons in names are no keys", async () => {
    w.model("bert", "sound")
    const whole = w.bytes("sound/model.safetensors")
    const length = Number(new DataView(whole.buffer, whole.byteOffset).getBigUint64(0, true))
    const json = JSON.parse(new TextDecoder().decode(whole.subarray(8, 8 + length)))
    json["__metadata__"] = { 'a":{"a': "\\", "{b:": '":"', c: "" }
    const bytes = Buffer.concat([withHeader(JSON.stringify(json), 0), whole.subarray(8 + length)])
    writeFileSync(w.path("sound/model.safetensors"), bytes)
    w.write("plan.json", tinyPlan("sound"))
    expect(await w.cli(["validate", "plan.json"])).toMatchObject({ code: 0 })
  })
})

describe("a GGUF file", () => {
  const golden = (name: string) => Buffer.from(readFileSync(join(repository, "test/golden/gguf", `${name}.gguf`)))
  const said = async (bytes: Uint8Array, name = "lying.gguf") => {
    writeFileSync(w.path(name), bytes)
    return (await failure(readGgufHeader(w.path(name)))).message.replaceAll(w.path(name), "file")
  }

  test("with tensors in one another", async () => {
    const bytes = golden("llama")
    const at = bytes.indexOf("blk.0.attn_k.weight")
    expect(at).toBeGreaterThan(0)
    // after the name: dimensions u32, two of them u64 each, type u32, offset u64
    const offset = at + "blk.0.attn_k.weight".length + 4 + 16 + 4
    bytes.writeBigUInt64LE(bytes.readBigUInt64LE(offset) + 32n, offset)
    expect(await said(bytes)).toMatch(/^model file: tensor \S+ begins at byte \d+, in tensor blk\.0\.attn_k\.weight$/m)
  })

  test("that is one of more parts than a model may have", async () => {
    setLimits({ "weight-files": 2 })
    try {
      expect(await said(golden("llama-00001-of-00003"), "lying-00001-of-00003.gguf")).toBe(
        "model file: is one of 3 parts (split.count), more than 2 entries (limit weight-files; TFJS_LORA_PRO_LIMITS=weight-files=N raises it)"
      )
    } finally {
      setLimits({ "weight-files": limits["weight-files"].default })
    }
  })

  test("with a header longer than any vocabulary makes it", async () => {
    const bytes = Buffer.alloc(limits["gguf-header-bytes"].default + 2_000)
    bytes.write("GGUF")
    bytes.writeUInt32LE(3, 4)
    bytes.writeBigUInt64LE(1n, 16) // one key, the rest of the file
    bytes.writeBigUInt64LE(BigInt(bytes.length - 1_000), 24)
    expect(await said(bytes)).toContain("its header is longer than 67,108,864 bytes (limit gguf-header-bytes")
  })
})
