/**
 * `serve` is killed at any moment, also while it starts, under images, texts and adapters that come and go: nothing is left in its folders, and
 * the next one starts and answers. SERVE_KILLS=100 kills it as often; 8 times by default.
 */
import { expect, test } from "bun:test"
import { mkdirSync, readdirSync } from "node:fs"
import { randomStream } from "../../src/numbers/random.ts"
import { cli, onWasm, TIMEOUT } from "../e2e/fixtures.ts"
import { clientFrom, sharedRuns } from "../e2e/serve-shared.ts"
import { blackPng, dataUri } from "../images.ts"

const w = sharedRuns()
const kills = Number(process.env["SERVE_KILLS"] ?? 8)

const filesOf = (folder: string) => readdirSync(folder, { recursive: true }).map(String).sort()

test(
  `${kills} kills leave nothing behind, and the next server answers`,
  async () => {
    const random = randomStream(Number(process.env["SERVE_SEED"] ?? 0), "kills")
    mkdirSync(w.path("temporary"))
    const before = filesOf(w.directory)
    const token = "token"
    const bodies = [
      JSON.stringify({ model: "texts", inputs: Array(50).fill("the film is good") }),
      JSON.stringify({ model: "pictures", inputs: Array(8).fill(dataUri(blackPng(900, 900))) }),
      JSON.stringify({ model: "endless", prompt: "the sky", max_tokens: 100 })
    ]
    let answered = 0
    for (let kill = 0; kill < kills; kill++) {
      const child = Bun.spawn(
        [
          process.execPath,
          cli,
          "serve",
          "runs/texts",
          "runs/pictures",
          "runs/endless",
          "--adapters",
          "runs",
          "--port",
          "0",
          ...onWasm
        ],
        {
          cwd: w.directory,
          env: { ...process.env, TFJS_LORA_PRO_TOKEN: token, TMPDIR: w.path("temporary") },
          stdio: ["ignore", "pipe", "ignore"]
        }
      )
      const early = random() < 0.25
      if (early) await Bun.sleep(2_000 * random())
      else {
        const { value } = await child.stdout.getReader().read()
        const url = new TextDecoder().decode(value).trim()
        const server = { url, port: 0, pid: child.pid, kill: () => {}, ended: child.exited }
        let going = true
        const load = Array.from({ length: 6 }, async (_, i) => {
          const ask = clientFrom(server, `127.0.0.${2 + i}`)
          while (going) {
            const path = i % 3 === 2 ? "/v1/completions" : "/predict"
            const answer = await ask(path, bodies[i % 3]!)
            if (answer?.status === 200) answered += 1
            if (answer === null) await Bun.sleep(5)
          }
        })
        const adapters = (async () => {
          const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" }
          for (let i = 0; going; i++) {
            const body = JSON.stringify({ name: `hot-${i}`, run: "texts" })
            await fetch(`${url}/adapters`, { method: "POST", headers, body }).catch(() => {})
            await fetch(`${url}/adapters/hot-${i}`, { method: "DELETE", headers }).catch(() => {})
          }
        })()
        await Bun.sleep(1_500 * random())
        child.kill("SIGKILL")
        going = false
        await Promise.all([...load, adapters])
      }
      child.kill("SIGKILL")
      await child.exited
      expect(filesOf(w.directory)).toEqual(before)
    }
    expect(answered).toBeGreaterThan(kills)
  },
  kills * TIMEOUT
)
