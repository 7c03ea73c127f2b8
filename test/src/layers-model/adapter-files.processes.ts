/** Adapters as files between processes: another one reads them, and one that is killed leaves a whole one. */
import { afterAll, beforeAll, expect, test } from "bun:test"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import { adapt, loadAdapter } from "../../../src/layers-model/index.ts"
import { run } from "../../e2e/fixtures.ts"
import { convnet, moved, numbers, uniform } from "./networks.ts"

const directory = mkdtempSync(join(tmpdir(), "adapter-files-"))
const at = (name: string, ...parts: ReadonlyArray<string>) => join(directory, name, ...parts)

beforeAll(() => void tf.setBackend("cpu"))
afterAll(() => rmSync(directory, { recursive: true }))

test("another process loads it and answers the same", async () => {
  const adapted = await adapt(convnet(), { rank: 2, head: ["logits"] })
  moved(adapted)
  await adapted.save(at("for another"))
  const script = `
    import * as tf from "@tensorflow/tfjs"
    import { loadAdapter } from ${JSON.stringify(join(import.meta.dir, "../../../src/layers-model/index.ts"))}
    import { convnet, numbers, uniform } from ${JSON.stringify(join(import.meta.dir, "networks.ts"))}
    tf.env().set("IS_NODE", false)
    await tf.setBackend("cpu")
    const adapted = await loadAdapter(convnet(), ${JSON.stringify(at("for another"))})
    console.log(JSON.stringify(await numbers(adapted.predict(uniform([4, 8, 8, 3], 3)))))`
  writeFileSync(
    at("another.ts"),
    script.replaceAll('"@tensorflow/tfjs"', JSON.stringify(import.meta.resolve("@tensorflow/tfjs")))
  )
  const { stdout, stderr, code } = await run(["bun", at("another.ts")], { cwd: directory })
  expect([code, stderr]).toEqual([0, ""])
  expect(JSON.parse(stdout)).toEqual([...(await numbers(adapted.predict(uniform([4, 8, 8, 3], 3))))])
})

test("a process that is killed while it saves leaves the old adapter or the new one", async () => {
  const script = `
    import * as tf from "@tensorflow/tfjs"
    import { adapt } from ${JSON.stringify(join(import.meta.dir, "../../../src/layers-model/index.ts"))}
    import { convnet, moved } from ${JSON.stringify(join(import.meta.dir, "networks.ts"))}
    await tf.setBackend("cpu")
    const adapted = await adapt(convnet(), { rank: 2 })
    for (let i = 0; ; i++) {
      moved(adapted, i)
      await adapted.save(${JSON.stringify(at("killed"))})
      if (i === 0) console.log("saved")
    }`
  writeFileSync(
    at("killed.ts"),
    script.replaceAll('"@tensorflow/tfjs"', JSON.stringify(import.meta.resolve("@tensorflow/tfjs")))
  )
  for (let i = 0; i < 3; i++) {
    const child = Bun.spawn(["bun", at("killed.ts")], { stdout: "pipe", stderr: "ignore" })
    await child.stdout.getReader().read()
    await Bun.sleep(30 + 17 * i)
    child.kill("SIGKILL")
    await child.exited
    const loaded = await loadAdapter(convnet(), at("killed"))
    expect(loaded.names).toEqual(["adapter"])
  }
  expect(existsSync(at("killed", "adapter_config.json"))).toBe(true)
}, 30_000)
