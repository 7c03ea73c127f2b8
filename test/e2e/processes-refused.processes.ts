/** What a run in several processes refuses before its first step, told once and with nothing written. */
import { expect, test } from "bun:test"
import { existsSync } from "node:fs"
import { mpiEnvironment, mpiruns } from "../mpirun.ts"
import { cli, run, TIMEOUT, tinyPlan, workspace } from "./fixtures.ts"

const w = workspace()
w.model("bert")
const training = { steps: 2, batchSize: 4, accumulate: 2 }
w.write("plan.json", tinyPlan("bert", { training }))
const [mpirun] = mpiruns

/** Trains in some processes; `each`: what a rank is given beside, as a shell says it. */
const train = (size: number, each: string, ...args: ReadonlyArray<string>) => {
  const shell = ["bash", "-c", `exec "$0" "$@" --threads 1 ${each}`]
  const command = [mpirun!.command, "-n", String(size), ...shell, process.execPath, cli, "train", "plan.json"]
  return run([...command, "--out", "run", ...args], { cwd: w.directory, env: mpiEnvironment })
}

// the second one computes on the other device
const devices = `--device $([ "\${OMPI_COMM_WORLD_RANK:-$PMI_RANK}" = 1 ] && echo cpu || echo wasm)`

test.skipIf(mpirun === undefined)(
  "more processes than micro-batches",
  async () => {
    const { code, stdout, stderr } = await train(3, "--device wasm", "--json")
    expect(stderr.match(/training\.accumulate is 2, but .* 3 processes/g)).toHaveLength(1)
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).ok)
    ).toEqual([false])
    expect(code).toBe(1)
    expect(existsSync(w.path("run"))).toBe(false)
  },
  TIMEOUT
)

test.skipIf(mpirun === undefined)(
  "other devices, unless they are meant",
  async () => {
    const refused = await train(2, devices)
    expect(refused.stderr.match(/ rank 1 \(.+\): it uses cpu, rank 0 uses wasm$/gm)).toHaveLength(1)
    expect(refused.code).toBe(1)
    expect(existsSync(w.path("run"))).toBe(false)
    const meant = await train(2, devices, "--mixed-devices")
    expect(meant.stdout).toContain("Try it: ")
    expect(meant.code).toBe(0)
  },
  TIMEOUT
)
