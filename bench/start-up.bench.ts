/**
 * The start-up bench: processor time (user and system, all threads) of commands that compute nothing, each in processes of its own.
 *
 *   bun bench/start-up.bench.ts [--times 10]
 *
 * Each bar is for the default plan and Bun on an idle machine: 0.15 s for what the command line answers itself, 0.5 s for `validate`.
 * `test/e2e/start-up.test.ts` holds which modules each of them loads.
 */
import { join } from "node:path"
import { parseArgs } from "node:util"
import { median } from "./shapes.ts"

const { values } = parseArgs({ options: { times: { type: "string", default: "10" } } })

const commands: ReadonlyArray<readonly [command: string, bar: number | null]> = [
  ["--help", 0.15],
  ["--version", 0.15],
  ["trian", 0.15],
  ["train --help", 0.15],
  ["compare --help", null],
  ["schema", null],
  ["validate examples/plans/movies-lora-pro-full.json", 0.5]
]

/** Seconds of processor time, and on the clock. */
const once = async (command: string) => {
  const began = performance.now()
  const child = Bun.spawn([process.execPath, "src/bin/tfjs-lora-pro.ts", ...command.split(" ")], {
    cwd: join(import.meta.dir, ".."),
    stdout: "ignore",
    stderr: "ignore"
  })
  await child.exited
  return { cpu: Number(child.resourceUsage()!.cpuTime.total) / 1e6, clock: (performance.now() - began) / 1000 }
}

console.log("| command | CPU | bar | clock |\n|---|---|---|---|")
for (const [command, bar] of commands) {
  const runs = []
  for (let i = 0; i < Number(values.times); i++) runs.push(await once(command))
  const [cpu, clock] = [median(runs.map((run) => run.cpu)), median(runs.map((run) => run.clock))]
  console.log(`| \`${command}\` | ${cpu.toFixed(2)} s | ${bar === null ? "" : `${bar} s`} | ${clock.toFixed(2)} s |`)
}
