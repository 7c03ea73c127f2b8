/** Ranks that real launchers start: what they tell each other through MPI, and how they end. */
import { describe, expect, test } from "bun:test"
import { join } from "node:path"
import { run } from "../../e2e/fixtures.ts"
import { mpiEnvironment, mpiruns } from "../../mpirun.ts"
import { runtimes } from "../../runtime/runtimes.ts"

const program = join(import.meta.dir, "mpi-program.ts")

for (const { name, command } of mpiruns) {
  describe(name, () => {
    const started = (runtime: ReadonlyArray<string>, size: number, ...args: ReadonlyArray<string>) =>
      run([command, "-n", String(size), ...runtime, program, ...args], { cwd: import.meta.dir, env: mpiEnvironment })

    for (const { name: runtime, command: runs } of runtimes) {
      test(`ranks tell each other bytes of any lengths, in ${runtime}`, async () => {
        const size = 3
        const { code, stdout, stderr } = await started(runs, size, "collectives")
        expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
        // six lengths, in each two all-gathers with two checks, a gather and a broadcast
        const ranks = Array.from({ length: size }, (_, rank) => ({ rank, right: 36 }))
        expect(JSON.parse(stdout)).toEqual({ size, ranks, first: { of: 0 } })
      })
    }
  })
}
