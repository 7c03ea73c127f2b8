/** What native code writes to stderr by itself: lines that mean nothing are left out, no other is lost. In Bun and in Node. */
import { describe, expect, test } from "bun:test"
import { readdirSync, readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { run, TIMEOUT, workspace } from "../../e2e/fixtures.ts"
import { node, nodeProgram } from "../../runtime/node-program.ts"

const source = JSON.stringify(join(import.meta.dir, "../../../src/device/native-stderr.ts"))

// the descriptor itself is written to, as native code does
const program = (body: string) => `
  import { writeSync } from "node:fs"
  import { linesCanBeLeftOut, withoutLines } from ${source}
  const say = (text) => void writeSync(2, text)
  ${body}
`

const w = workspace()
let made = 0

const inBun = async (body: string) => {
  const file = `program-${made++}.ts`
  w.write(file, program(body))
  return [process.execPath, w.path(file)]
}
const inNode = async (body: string) => [node!, await nodeProgram(w.directory, program(body))]

const runtimes = [
  { name: "Bun", command: inBun, there: true },
  // by our own library, of Linux
  { name: "Node", command: inNode, there: node !== undefined && process.platform === "linux" }
]

for (const { name, command, there } of runtimes) {
  describe.skipIf(!there)(name, () => {
    const stderrOf = async (body: string) => run(await command(body), { cwd: w.directory })

    test(
      "lines that mean nothing are left out, all others come in their order",
      async () => {
        const { code, stderr } = await stderrOf(`
        say("before\\n")
        const answer = withoutLines(/^noise/, () => { say("noise 1\\nnews 1\\n"); say("noise 2\\nnews 2\\n"); return 7 })
        say("after " + answer + "\\n")
        withoutLines(/^noise/, () => say("noise 3\\nnews 3, without an end"))
      `)
        expect({ code, stderr }).toEqual({
          code: 0,
          stderr: "before\nnews 1\nnews 2\nafter 7\nnews 3, without an end"
        })
      },
      TIMEOUT
    )

    test(
      "also where it fails",
      async () => {
        const { stderr } = await stderrOf(`
        try { withoutLines(/^noise/, () => { say("noise\\nnews\\n"); throw new Error("no") }) } catch (error) { say(error.message + "\\n") }
      `)
        expect(stderr).toBe("news\nno\n")
      },
      TIMEOUT
    )

    test(
      "bytes that are no text stay what they are",
      async () => {
        const [file, ...args] = await command(`
        withoutLines(/^noise/, () => { say("noise\\n"); writeSync(2, Uint8Array.from([0xff, 0xc3, 0x0a, 0x80])) })
      `)
        await run(["sh", "-c", 'exec "$0" "$@" 2> bytes.txt', file!, ...args], { cwd: w.directory })
        expect([...readFileSync(w.path("bytes.txt"))]).toEqual([0xff, 0xc3, 0x0a, 0x80])
      },
      TIMEOUT
    )

    test(
      "a file that stdout and stderr share has each line once, in its order",
      async () => {
        const [file, ...args] = await command(`
        const out = (text) => void writeSync(1, text)
        out("out 1\\n")
        withoutLines(/^noise/, () => { say("noise\\nnews 1, which is longer\\n"); out("out 2\\n") })
        out("out 3\\n")
        say("news 2\\n")
        out("out 4\\n")
      `)
        const { code } = await run(["sh", "-c", 'exec "$0" "$@" > both.txt 2>&1', file!, ...args], { cwd: w.directory })
        expect(code).toBe(0)
        expect(readFileSync(w.path("both.txt"), "utf8")).toBe(
          "out 1\nout 2\nnews 1, which is longer\nout 3\nnews 2\nout 4\n"
        )
      },
      TIMEOUT
    )

    test(
      "a reader that has gone disturbs nothing",
      async () => {
        const [file, ...args] = await command(`
        await new Promise((resolve) => setTimeout(resolve, 300))
        withoutLines(/^noise/, () => say("noise\\nnews\\n"))
        console.log("done")
      `)
        const { stdout } = await run(["bash", "-c", '"$0" "$@" 2> >(exec true)', file!, ...args], { cwd: w.directory })
        expect(stdout).toBe("done\n")
      },
      TIMEOUT
    )
  })
}

test.skipIf(node === undefined)(
  "in Node without the library, all lines are written",
  async () => {
    const body = `
    withoutLines(/^noise/, () => say("noise\\nnews\\n"))
    console.log(linesCanBeLeftOut())
  `
    const file = await nodeProgram(w.directory, program(body), { withLibrary: false })
    expect(await run([node!, file], { cwd: w.directory })).toEqual({
      code: 0,
      stdout: "false\n",
      stderr: "noise\nnews\n"
    })
  },
  TIMEOUT
)

test("no file is left", () => {
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith("tfjs-lora-pro-stderr-"))).toEqual([])
})
