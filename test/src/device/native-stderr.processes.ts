/** What native code writes to stderr by itself: lines that mean nothing are left out, no other is lost. */
import { expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { run } from "../../e2e/fixtures.ts"

const source = JSON.stringify(join(import.meta.dir, "../../../src/device/native-stderr.ts"))

// the descriptor itself is written to, as native code does
const program = (body: string) => `
  import { writeSync } from "node:fs"
  import { withoutLines } from ${source}
  const say = (text) => void writeSync(2, text)
  ${body}
`

const stderrOf = (body: string) => run([process.execPath, "-e", program(body)], { cwd: tmpdir() })

test("lines that mean nothing are left out, all others come in their order", async () => {
  const { code, stderr } = await stderrOf(`
    say("before\\n")
    const answer = await withoutLines(/^noise/, async () => { say("noise 1\\nnews 1\\n"); say("noise 2\\nnews 2\\n"); return 7 })
    say("after " + answer + "\\n")
  `)
  expect({ code, stderr }).toEqual({ code: 0, stderr: "before\nnews 1\nnews 2\nafter 7\n" })
})

test("also where it fails, where two are at work, and where the process ends in it", async () => {
  const failed = await stderrOf(`
    await withoutLines(/^noise/, async () => { say("noise\\nnews\\n"); throw new Error("no") }).catch((error) => say(error.message + "\\n"))
  `)
  expect(failed.stderr).toBe("news\nno\n")
  const both = await stderrOf(`
    const one = (n) => withoutLines(/^noise/, async () => { say("noise\\nnews " + n + "\\n"); await Bun.sleep(20 / n) })
    await Promise.all([one(1), one(2)])
    say("after\\n")
  `)
  expect(both.stderr).toBe("news 1\nnews 2\nafter\n")
  const ended = await stderrOf(`withoutLines(/^noise/, async () => { say("noise\\nlast words\\n"); process.exit(3) })`)
  expect(ended).toMatchObject({ code: 3, stderr: "last words\n" })
})

test("no file is left", () => {
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith("tfjs-lora-pro-stderr-"))).toEqual([])
})
