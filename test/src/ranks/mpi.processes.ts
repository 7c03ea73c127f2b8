/** Ranks that real launchers start: what they tell each other through MPI, and how they end. */
import { afterAll, describe, expect, test } from "bun:test"
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { run, succeed } from "../../e2e/fixtures.ts"
import { start } from "../../e2e/runs.ts"
import { type Mpirun, mpiEnvironment, mpiruns } from "../../mpirun.ts"
import { nodeRuntime } from "../../runtime/node-folder.ts"
import { runtimes as bunAndDeno } from "../../runtime/runtimes.ts"

const folder = mkdtempSync(join(tmpdir(), "mpi-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let runs = 0

const runtimes = [...bunAndDeno, ...nodeRuntime()]
const program = join(import.meta.dir, "mpi-program.ts")
const bun = [process.execPath]

const command = ({ command }: Mpirun, runtime: ReadonlyArray<string>, size: number, ...args: ReadonlyArray<string>) => [
  command,
  "-n",
  String(size),
  ...runtime,
  program,
  ...args
]

const started = (given: Mpirun, runtime: ReadonlyArray<string>, size: number, ...args: ReadonlyArray<string>) =>
  run(command(given, runtime, size, ...args), { cwd: import.meta.dir, env: mpiEnvironment })

/** Without what a launcher says of its own accord, which begins with a line of it or a frame. */
const ownLines = (stderr: string): ReadonlyArray<string> =>
  stderr
    .replaceAll(/^-{60,}\n[\s\S]*?^-{60,}\n/gm, "")
    .split("\n")
    .filter((line) => line.trim() !== "")

/** The program's endless steps; `saved`: where rank 0 writes the step after which it has stopped. */
const stepping = (given: Mpirun) => {
  const saved = join(folder, `saved-${runs++}`)
  const child = start(command(given, bun, 3, "steps", saved), import.meta.dir, { env: mpiEnvironment })
  return { ...child, step: () => (existsSync(saved) ? Number(readFileSync(saved, "utf8")) : undefined) }
}

const [openMpi, mpich] = (["Open MPI", "MPICH"] as const).map((name) => mpiruns.find((one) => one.name === name))

const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

for (const mpirun of mpiruns) {
  describe(mpirun.name, () => {
    for (const { name: runtime, command } of runtimes) {
      test(`ranks tell each other bytes of any lengths, in ${runtime}`, async () => {
        const size = 3
        const { code, stdout, stderr } = await started(mpirun, command, size, "collectives")
        expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
        // six lengths, in each two all-gathers with two checks, a gather and a broadcast
        const ranks = Array.from({ length: size }, (_, rank) => ({ rank, right: 36 }))
        expect(JSON.parse(stdout)).toEqual({ size, ranks, first: { of: 0 } })
      })

      test(`the failure of one is told by the first, in ${runtime}`, async () => {
        const { code, stderr } = await started(mpirun, command, 3, "failure")
        expect(ownLines(stderr)).toEqual([expect.stringMatching(/^rank 2 of 3 \(.+\): step 3: the disk is full$/)])
        expect(code).toBe(1)
      })
    }

    for (const { name: runtime, command } of runtimes)
      test(`its library leaves the C library's functions as they are, in ${runtime}`, async () => {
        const { stdout } = await succeed(
          run(
            [...command, join(import.meta.dir, "untouched-program.ts"), mpirun.name === "MPICH" ? "mpich" : "openmpi"],
            {
              cwd: import.meta.dir,
              env: mpiEnvironment
            }
          )
        )
        expect(JSON.parse(stdout)).toEqual({ version: expect.stringContaining(mpirun.name), patched: [] })
      })

    for (const { name: runtime, command: own } of runtimes)
      for (const late of [0, 1])
        test(`one that never begins (rank ${late}) is not waited for beyond the limit, in ${runtime}`, async () => {
          const rank = { "Open MPI": "OMPI_COMM_WORLD_RANK", MPICH: "PMI_RANK" }[mpirun.name]
          const begins = [...own, program, "collectives"].map((word) => `'${word}'`).join(" ")
          const line = `if [ $${rank} = ${late} ]; then exec sleep 300; else exec ${begins}; fi`
          const began = performance.now()
          const { code, stderr } = await run([mpirun.command, "-n", "2", "sh", "-c", line], {
            cwd: import.meta.dir,
            env: { ...mpiEnvironment, TFJS_LORA_PRO_LIMITS: "rank-seconds=2" }
          })
          expect(code).not.toBe(0)
          expect(stderr).toContain(
            `\nERROR\n  rank ${1 - late} of 2, started by ${mpirun.name === "MPICH" ? "the mpirun of MPICH, Intel MPI or MVAPICH" : "Open MPI's mpirun"}: another process of the run has not started after 2 seconds (limit rank-seconds; TFJS_LORA_PRO_LIMITS=rank-seconds=N raises it); find out what it waits for`
          )
          // without the limit: 300 seconds
          expect(performance.now() - began).toBeLessThan(60_000)
        })

    test("a failure that all have is told once, as the first has it", async () => {
      const { code, stderr } = await started(mpirun, bun, 3, "same failure")
      expect(ownLines(stderr)).toEqual(["step 1: the loss is NaN"])
      expect(code).toBe(1)
    })

    test("a failure of the first ends all", async () => {
      const { code, stderr } = await started(mpirun, bun, 3, "first fails")
      expect(ownLines(stderr)).toEqual(["the disk of rank 0 is full"])
      expect(code).toBe(1)
    })

    test("asked to stop by a signal that the launcher hands on, all do after the same step", async () => {
      const { said, kill, ended, step } = stepping(mpirun)
      await said("step 3,")
      kill("SIGUSR1")
      const { code, stderr } = await ended
      expect(code).toBe(130)
      expect(step()).toBeGreaterThanOrEqual(3)
      expect(stderr).toContain(`step ${step()} is saved; resume with --resume\n`)
    })

    test("when the launcher is told to end, they stop after a step and save it", async () => {
      const { said, kill, ended, step } = stepping(mpirun)
      await said("step 3,")
      kill("SIGTERM")
      // Open MPI passes nothing on that its processes print from here on
      await ended
      expect(step()).toBeGreaterThanOrEqual(3)
    })

    test("one that is killed ends the others", async () => {
      const { said, ended, stderr } = stepping(mpirun)
      await said("step 3,")
      const pids = /pids ([\d,]+)/.exec(stderr())![1]!.split(",").map(Number)
      expect(pids.length).toBe(3)
      process.kill(pids[1]!, "SIGKILL")
      await ended
      const until = performance.now() + 5000
      while (pids.some(isRunning) && performance.now() < until) await Bun.sleep(20)
      expect(pids.filter(isRunning)).toEqual([])
      // MPICH's kills the others at once
      if (mpirun === openMpi) expect(stderr()).toMatch(/^step \d+ is saved; resume with --resume$/m)
    })
  })
}

describe("a launcher that is slow to read", () => {
  // Open MPI's reads all before it ends; MPICH's may hear first that all are to end
  test.skipIf(mpich === undefined)("has read what the first rank said before that ends them all", async () => {
    const go = join(folder, "go")
    const child = start(command(mpich!, bun, 3, "first fails", go), import.meta.dir, { env: mpiEnvironment })
    await child.said(/process \d+ of \d+\n/)
    const [first, launcher] = child.stderr().match(/\d+/g)!.map(Number) as [number, number]
    process.kill(launcher, "SIGSTOP")
    writeFileSync(go, "")
    await Bun.sleep(500)
    // one that has ended is a zombie, since its launcher does not ask for it
    const state = /^State:\s+(\w)/m.exec(readFileSync(`/proc/${first}/status`, "utf8"))![1]
    process.kill(launcher, "SIGCONT")
    const { code, stderr } = await child.ended
    expect(ownLines(stderr)).toEqual([`process ${first} of ${launcher}`, "the disk of rank 0 is full"])
    expect({ code, hasEnded: state === "Z" }).toEqual({ code: 1, hasEnded: false })
  })

  for (const { name: runtime, command } of runtimes) {
    test(`what is in a pipe and not read yet is counted, in ${runtime}`, async () => {
      const pipe = join(folder, `pipe-${runtime}`)
      await succeed(run(["mkfifo", pipe], { cwd: folder }))
      const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
      const writer = openSync(pipe, constants.O_WRONLY)
      const child = Bun.spawn([...command, join(import.meta.dir, "unread-program.ts")], { stderr: writer })
      try {
        const said: Array<string> = []
        for await (const bytes of child.stdout) {
          if (said.push(new TextDecoder().decode(bytes)) === 1) readSync(reader, new Uint8Array(100))
        }
        expect(said).toEqual(["0, then 5\n", "0\n"])
      } finally {
        child.kill()
        for (const file of [reader, writer]) closeSync(file)
      }
    })
  }
})

describe("what cannot be", () => {
  test.skipIf(openMpi === undefined || mpich === undefined)(
    "another library than the launcher's is refused",
    async () => {
      const { code, stderr } = await run(command(openMpi!, bun, 2, "collectives"), {
        cwd: import.meta.dir,
        env: { ...mpiEnvironment, TFJS_LORA_PRO_MPI: "libmpich.so.12" }
      })
      expect(ownLines(stderr)).toEqual([
        expect.stringMatching(
          /^rank 0 of 2, started by Open MPI's mpirun: Open MPI's mpirun says that there are 2 processes, but its library MPICH \d\S+ \(libmpich.so.12\) knows of 1; start it with the mpirun of MPICH, or name the other library in TFJS_LORA_PRO_MPI$/
        )
      ])
      expect(code).toBe(1)
    }
  )

  test.skipIf(mpich === undefined)("a missing library is told with what was tried", async () => {
    const { code, stderr } = await run(command(mpich!, bun, 2, "collectives"), {
      cwd: import.meta.dir,
      env: { ...mpiEnvironment, TFJS_LORA_PRO_MPI: "/nowhere/libmpi.so" }
    })
    expect(ownLines(stderr)[0]).toMatch(
      /^rank 0 of 2, started by .*: TFJS_LORA_PRO_MPI names \/nowhere\/libmpi.so, which cannot be opened as an MPI library \(.*\); name a file such as libmpi.so.12, or leave it out$/
    )
    expect(code).not.toBe(0)
  })

  test.skipIf(mpich === undefined)("a connection that a program in between has closed is told, not tried", async () => {
    const closing = ["bash", "-c", 'exec {PMI_FD}>&-; exec "$0" "$@"', ...bun]
    const { code, stderr } = await started(mpich!, closing, 2, "collectives")
    expect(ownLines(stderr)[0]).toMatch(/^rank 0 of 2, .*: the launcher's connection to this process was closed by/)
    expect(code).not.toBe(0)
  })

  test.skipIf(mpich === undefined)("Deno without its permission says which one", async () => {
    const deno = runtimes.find(({ name }) => name === "deno")
    if (deno === undefined) return
    const [file] = deno.command
    const allowed = [
      file!,
      "run",
      "--no-prompt",
      "--allow-read",
      "--allow-env",
      "--allow-sys",
      "--node-modules-dir=manual"
    ]
    const { stderr } = await started(mpich!, allowed, 2, "collectives")
    expect(ownLines(stderr)[0]).toContain("Deno does not allow it to open a library; run it with --allow-ffi")
  })
})
