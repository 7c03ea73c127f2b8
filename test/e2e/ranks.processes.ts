/**
 * One run in several processes, as MPI starts them: whatever their number, the adapter, the metrics and the checkpoints have the same bytes,
 * also where a process is killed and the run goes on in another number of them. (All kinds, in one process: several-ranks.processes.ts.)
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { mpiEnvironment, mpiruns } from "../mpirun.ts"
import { supportedNode } from "../runtime/node-folder.ts"
import { hasNative } from "../runtime/runtimes.ts"
import { causalData, causalPlan, decoder, writeRows } from "./causal-workspace.ts"
import { cli, onWasm, run, succeed, TIMEOUT, tinyPlan, workspace } from "./fixtures.ts"
import { adapterOf, type Launched, start } from "./runs.ts"
import { alike } from "./train-on-ranks.ts"

const w = workspace()
w.model("minilm")
decoder(w, "llama")
writeRows(w)

const output = { checkpointEvery: 2, keepCheckpoints: 2 }
const training = { steps: 4, batchSize: 4, accumulate: 5, evaluateEvery: 2, evaluateBatchSize: 2 }
const efficient = { kind: "lora-pro", form: "efficient", learningRate: 1e-2 }
const plans = {
  lora: tinyPlan("minilm", {
    adapter: { method: "lora", rank: 4, alpha: 8, dropout: 0.1 },
    optimizer: { kind: "adamw", learningRate: 1e-2 },
    training,
    output
  }),
  "lora-pro-full": causalPlan("llama", "chat", {
    data: causalData("chat", { packing: true }),
    adapter: { method: "lora", rank: 4, alpha: 8, dropout: 0.1 },
    optimizer: { kind: "lora-pro", form: "full", learningRate: 5e-3 },
    training,
    output
  }),
  "lora-pro-efficient": tinyPlan("minilm", { optimizer: efficient, training, output }),
  dora: tinyPlan("minilm", {
    adapter: { method: "dora", rank: 4, alpha: 8, dropout: 0.1 },
    optimizer: { kind: "adamw", learningRate: 1e-2 },
    training,
    output
  })
}
/** Long enough that a process is killed in it. */
const busy = tinyPlan("minilm", {
  optimizer: { kind: "lora-pro", form: "full", learningRate: 1e-3 },
  training: { steps: 36, batchSize: 4, accumulate: 4, evaluateEvery: 3 },
  output: { checkpointEvery: 2 }
})
const names = Object.keys(plans)
for (const [name, plan] of Object.entries({ ...plans, busy })) w.write(`${name}.json`, plan)

const program = join(import.meta.dir, "ranks-program.ts")
/** In a folder of its own, so that runs are called alike. */
const trained = (folder: string, trains: ReadonlyArray<string>, launcher: ReadonlyArray<string> = []) => {
  mkdirSync(w.path(folder))
  const files = trains.map((name) => `../${name}.json`)
  const command = [...launcher, process.execPath, program, ...files]
  return succeed(run(command, { cwd: w.path(folder), env: mpiEnvironment }))
}

describe.skipIf(mpiruns.length === 0)("several processes leave what one does:", () => {
  beforeAll(async () => {
    await trained("1", names)
    await succeed(w.cli(["train", "busy.json", "--out", "whole/busy", ...onWasm]))
  }, TIMEOUT)

  for (const [i, size] of [2, 3, 4].entries())
    test(
      `${size} of them`,
      async () => {
        const { command } = mpiruns[i % mpiruns.length]!
        const { stdout, stderr } = await trained(String(size), names, [command, "-n", String(size)])
        expect({ stdout, stderr }).toEqual({ stdout: "", stderr: "" })
        for (const name of names) {
          const { processes, results } = alike(w, `${size}/${name}`)
          expect(processes).toBe(size)
          expect(results).toEqual(alike(w, `1/${name}`).results)
        }
      },
      TIMEOUT
    )

  const node = supportedNode()
  const device = ["--device", hasNative ? "native" : "wasm", "--threads", "1"]
  for (const { name, command } of mpiruns)
    test.skipIf(node === undefined)(
      `two of them in Node, by ${name}`,
      async () => {
        const [alone, together] = [`node-${name}-1`, `node-${name}-2`]
        const trains = (folder: string) => [cli, "train", "busy.json", "--out", `${folder}/busy`, ...device]
        for (const words of [
          [process.execPath, ...trains(alone)],
          [command, "-n", "2", node!, ...trains(together)]
        ])
          await succeed(run(words, { cwd: w.directory, env: mpiEnvironment }))
        expect(alike(w, `${together}/busy`).processes).toBe(2)
        // metrics have last digits of each engine's logarithm
        const [ofOne, ofTwo] = [alone, together].map((folder) => ({ ...adapterOf(w, `${folder}/busy`), card: "" }))
        expect(ofTwo!).toEqual(ofOne!)
      },
      TIMEOUT
    )

  test(
    "an evaluation, which two divide and one tells",
    async () => {
      const { stdout: alone } = await succeed(w.cli(["evaluate", "whole/busy", "--json", ...onWasm]))
      const { command } = mpiruns.at(-1)!
      const evaluates = [command, "-n", "2", process.execPath, cli, "evaluate", "whole/busy", "--json", ...onWasm]
      const { stdout } = await succeed(run(evaluates, { cwd: w.directory, env: mpiEnvironment }))
      expect(stdout).toBe(alone)
    },
    TIMEOUT
  )

  describe("one that was asked for something else than the first is told by all, before anything is written:", () => {
    const { name: by, command } = mpiruns[0] ?? { name: "Open MPI", command: "" }
    const rank = { "Open MPI": "OMPI_COMM_WORLD_RANK", MPICH: "PMI_RANK" }[by]
    beforeAll(() => {
      w.write("other.json", { ...plans.lora, adapter: { method: "lora", rank: 2, alpha: 8 } })
      w.write("broken.json", "{")
    })
    const asked = async (first: string, second: string) => {
      const [one, other] = [first, second].map(
        (args) => `'${process.execPath}' '${cli}' train ${args} ${onWasm.join(" ")}`
      )
      const shell = `if [ $${rank} = 0 ]; then exec ${one}; else exec ${other}; fi`
      return await run([command, "-n", "2", "sh", "-c", shell], { cwd: w.directory, env: mpiEnvironment })
    }
    test.each([
      ["lora.json --out a", "other.json --out a", "other.json: adapter.rank is 2, on rank 0 4"],
      ["lora.json --out a", "lora.json --out a --set training.steps=9", "lora.json: training.steps is 9, on rank 0 4"],
      ["lora.json --out a", "nowhere.json --out a", "nowhere.json: no such file"],
      ["lora.json --out a", "broken.json --out a", "broken.json:1:2: not JSON"],
      ["lora.json --out a", "--resume whole/busy", "it was started with --resume whole/busy, rank 0 with a new run"]
    ])(
      "%s, and %s",
      async (first, second, says) => {
        const { code, stderr } = await asked(first, second)
        expect(code).not.toBe(0)
        expect(stderr).toContain("the processes of this run differ in settings that affect its results:")
        expect(stderr).toMatch(/\n +rank 1 \(.+\): /)
        expect(stderr).toContain(says)
        expect(stderr).toContain("give every process the same plan and the same settings")
        expect(existsSync(w.path("a"))).toBe(false)
      },
      TIMEOUT
    )

    test(
      "the same plan in another place is the same",
      async () => {
        w.write("copy.json", plans.lora)
        const { code, stderr } = await asked("lora.json --out same", "copy.json --out same")
        expect({ code, stderr }).toMatchObject({ code: 0 })
      },
      TIMEOUT
    )
  })

  /** The process of a rank, below the one that was started. */
  const pidOf = (launcher: Launched, rank: number): number => {
    const own = readdirSync("/proc").find((pid) => {
      if (!/^\d+$/.test(pid)) return false
      try {
        const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0")
        const parent = Number(/^\d+ \(.*\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))![1])
        return parent === launcher.pid && environment.includes(`OMPI_COMM_WORLD_RANK=${rank}`)
      } catch {
        return false // it ended, or is another user's
      }
    })
    return Number(own)
  }

  const openMpi = mpiruns.find(({ name }) => name === "Open MPI")
  const launch = (size: number, ...args: ReadonlyArray<string>) =>
    start([openMpi!.command, "-n", String(size), process.execPath, cli, "train", ...args, ...onWasm], w.directory, {
      env: mpiEnvironment
    })

  const killed = (rank: number) => async (first: Launched) => {
    const pid = pidOf(first, rank)
    expect(pid).toBeGreaterThan(1)
    process.kill(pid, "SIGKILL")
    expect((await first.ended).code).not.toBe(0)
  }
  const asked = async (first: Launched) => {
    first.kill("SIGUSR1")
    const { code, stderr } = await first.ended
    const said = stderr.split("\n").filter((line) => line.includes("--resume"))
    expect(said).toEqual([expect.stringMatching(/^step \d+ is saved; resume with: bun run train --resume \S+$/)])
    expect(code).not.toBe(0)
  }
  for (const [what, end, before, after] of [
    ["rank 1 of 3 is killed", killed(1), 3, 2],
    ["rank 0 of 2 is killed", killed(0), 2, 1],
    ["all 2 are asked to stop", asked, 2, 3]
  ] as const)
    test.skipIf(openMpi === undefined)(
      `${what}, and ${after} go on`,
      async () => {
        const folder = `${what.replaceAll(" ", "-")}/busy`
        const first = launch(before, "busy.json", "--out", folder)
        await first.said("after step 9:")
        await end(first)
        const steps = readdirSync(w.path(`${folder}/checkpoints`))
        expect(steps.some((name) => /^step-\d{8}$/.test(name))).toBe(true)
        const resumed =
          after === 1
            ? await w.cli(["train", "--resume", folder, ...onWasm])
            : await launch(after, "--resume", folder).ended
        expect({ code: resumed.code, stderr: resumed.stderr }).toMatchObject({ code: 0 })
        expect(alike(w, folder).results).toEqual(alike(w, "whole/busy").results)
      },
      TIMEOUT
    )
})
