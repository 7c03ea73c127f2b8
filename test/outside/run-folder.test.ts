/** A run folder that others have had their hands in: links in it, checkpoints that are forged, locks of processes that are no more. */
import { beforeAll, describe, expect, test } from "bun:test"
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { thisProcess } from "../../src/files/index.ts"
import { platform } from "../../src/platform.ts"
import { readTensors, writeSafetensors } from "../../src/safetensors/index.ts"
import { onWasm, succeed, TIMEOUT, workspace } from "../e2e/fixtures.ts"
import { busyPlan, hashes } from "../e2e/runs.ts"

const w = workspace()
const run = <A, E>(effect: Effect.Effect<A, E, Effect.Services<typeof thisProcess>>) =>
  Effect.runPromise(Effect.provide(effect, platform))

beforeAll(async () => {
  w.model("bert")
  w.write("run.json", busyPlan("bert", 4))
  await succeed(w.cli(["train", "run.json", "--out", "whole", ...onWasm]))
  // as it is when it is interrupted before its end
  rmSync(w.path("whole/run.json"))
}, TIMEOUT)

/** A copy of the run, to be spoilt. */
const copyOfRun = (name: string): string => {
  cpSync(w.path("whole"), w.path(name), { recursive: true })
  return name
}
const resume = (folder: string) => w.cli(["train", "--resume", folder, ...onWasm])
const refusal = async (folder: string): Promise<string> => {
  const { code, stderr } = await resume(folder)
  expect(code).toBe(1)
  const lines = stderr.trimEnd().split("\n")
  expect(lines.at(-2)).toBe("ERROR")
  return lines.at(-1)!.trim()
}

describe("a symbolic link in a run folder", () => {
  for (const name of ["adapter", "checkpoints"]) {
    test(
      `in the place of ${name}: nothing is removed or written where it points, and training does not begin`,
      async () => {
        const folder = copyOfRun(`linked-${name}`)
        const elsewhere = `elsewhere-${name}`
        renameSync(w.path(join(folder, name)), w.path(elsewhere))
        w.write(join(elsewhere, "precious.tmp-123"), "mine")
        symlinkSync(w.path(elsewhere), w.path(join(folder, name)))
        const before = hashes(w, elsewhere)
        expect(await refusal(folder)).toBe(
          `cannot write ${folder}/${name}: it is a symbolic link, which is not followed for writing; remove it`
        )
        expect(hashes(w, elsewhere)).toEqual(before)
        expect(readdirSync(w.path(folder))).not.toContain("lock")
      },
      TIMEOUT
    )
  }

  test(
    "in the place of the lock is not read, and is removed itself",
    async () => {
      const folder = copyOfRun("linked-lock")
      symlinkSync("/dev/zero", w.path(join(folder, "lock")))
      await succeed(resume(folder))
      const dangling = copyOfRun("dangling-lock")
      symlinkSync(w.path("nowhere"), w.path(join(dangling, "lock")))
      await succeed(resume(dangling))
      expect(existsSync(w.path("nowhere"))).toBe(false)
    },
    TIMEOUT
  )

  test("to a device in the place of a checkpoint's file is not read", async () => {
    const folder = copyOfRun("device")
    const file = w.path(join(folder, "checkpoints/step-00000004/state.safetensors"))
    rmSync(file)
    symlinkSync("/dev/zero", file)
    const { code, stderr } = await resume(folder)
    expect(code).toBe(0)
    expect(stderr).toContain(
      "step-00000004 is damaged: state.safetensors: it is a device, not a regular file; resuming from the one before it"
    )
  })
})

describe("a checkpoint whose checksums are right is compared with the model and the optimizer:", () => {
  type Tensors = Record<string, { shape: ReadonlyArray<number>; data: Float32Array }>
  interface State {
    readonly tensors: Tensors
    readonly record: Record<string, unknown>
  }

  /** A run whose checkpoint is changed, with checksums of what it is then. */
  const forged = async (name: string, change: (state: State) => void): Promise<string> => {
    const folder = copyOfRun(name)
    const checkpoint = w.path(join(folder, "checkpoints/step-00000004"))
    const [state, record] = ["state.safetensors", "state.json"].map((file) => join(checkpoint, file)) as [
      string,
      string
    ]
    const tensors: Tensors = {}
    for (const [key, { shape, data }] of await run(readTensors(state)))
      tensors[key] = { shape, data: data as Float32Array }
    const content = { tensors, record: JSON.parse(readFileSync(record, "utf8")) }
    change(content)
    await run(writeSafetensors(state, content.tensors))
    writeFileSync(record, JSON.stringify(content.record))
    const sum = (file: string) =>
      new Bun.CryptoHasher("sha256").update(readFileSync(join(checkpoint, file))).digest("hex")
    const lines = ["state.json", "state.safetensors"].map((file) => `${sum(file)}  ${file}\n`)
    writeFileSync(join(checkpoint, "SHA256SUMS"), lines.join(""))
    return folder
  }
  const misfit = (folder: string, reason: string) =>
    `the checkpoint ${folder}/checkpoints/step-00000004 does not fit the model and the optimizer of this plan, and is left unchanged: ${reason}`
  const first = (count: number) => ({ shape: [count], data: new Float32Array(count) })

  test("unchanged, it is taken", async () => {
    await succeed(resume(await forged("unchanged", () => {})))
  })

  test("the optimizer's tensors of other shapes", async () => {
    const folder = await forged("shapes", ({ tensors }) => {
      for (const name of Object.keys(tensors)) if (name.startsWith("optimizer.")) tensors[name] = first(1)
    })
    expect(await refusal(folder)).toBe(
      misfit(folder, "optimizer.0.0.whitenings.0.TB (tensor 0) has shape [1], expected [4,4]")
    )
  })

  test("a tensor of the optimizer that is missing, and one too many", async () => {
    const count = (tensors: Tensors) => Object.keys(tensors).filter((name) => name.startsWith("optimizer.")).length
    const fewer = await forged("fewer", ({ tensors }) => {
      delete tensors[`optimizer.${count(tensors) - 1}`]
    })
    expect(await refusal(fewer)).toMatch(/: optimizer\.\S+ does not refer to one of the \d+ tensors$/)
    const more = await forged("more", ({ tensors }) => {
      tensors[`optimizer.${count(tensors)}`] = first(1)
    })
    expect(await refusal(more)).toMatch(/: it holds (\d+) tensors of the optimizer's state, which has (?!\1)\d+$/)
  })

  test("a tree of the optimizer that is another, also one that names a tensor twice", async () => {
    const other = await forged("tree", ({ record }) => {
      record["optimizer"] = { count: 1 }
    })
    expect(await refusal(other)).toBe(misfit(other, "optimizer does not have the structure of the optimizer's state"))
    const twice = await forged("twice", ({ record }) => {
      record["optimizer"] = JSON.parse(JSON.stringify(record["optimizer"]).replaceAll(/"\$tensor":\d+/g, '"$tensor":0'))
    })
    expect(await refusal(twice)).toMatch(
      / (is a tensor that is also used in another place|has shape \S+, expected \S+)$/
    )
    const counted = await forged("counted", ({ record }) => {
      record["optimizer"] = JSON.parse(JSON.stringify(record["optimizer"]).replaceAll('"count":4', '"count":4000'))
    })
    expect(await refusal(counted)).toMatch(/: optimizer\.\S+ is 4000 after 4 steps$/)
  })

  test("a trained tensor of another shape, and an epoch that no step is in", async () => {
    const trained = await forged("trained", ({ tensors }) => {
      tensors["trainable.0"] = first(7)
    })
    expect(await refusal(trained)).toMatch(/: trained tensor 0 has shape \[7\], the model's has \[4,\d+\]$/)
    const epoch = await forged("epoch", ({ record }) => {
      record["position"] = { epoch: 2 ** 52, batch: 0 }
    })
    expect(await refusal(epoch)).toBe(misfit(epoch, `step 4 is not in epoch ${2 ** 52}`))
  })

  test("a tensor that no checkpoint has is damage, and the one before is taken", async () => {
    const folder = await forged("extra", ({ tensors }) => {
      tensors["gradient.0"] = first(1)
    })
    const { stderr } = await succeed(resume(folder))
    expect(stderr).toContain(
      "is damaged: state.safetensors holds gradient.0, which is not part of a checkpoint; resuming from the one before it"
    )
  })
})

describe.skipIf(process.platform !== "linux")("a lock is nobody's", () => {
  const locked = (name: string, owner: unknown) => {
    const folder = copyOfRun(name)
    w.write(join(folder, "lock"), JSON.stringify(owner))
    return folder
  }

  test(
    "where another process has the number of the one that had it, or the machine was started again since",
    async () => {
      const own = await run(thisProcess)
      // this test's process lives, and holds no lock
      await succeed(resume(locked("reused", { ...own, started: "1" })))
      await succeed(resume(locked("booted", { ...own, boot: "another" })))
      const alive = locked("alive", own)
      expect(await refusal(alive)).toContain(`${alive} is being written by process ${process.pid}; wait for it`)
      // as versions before wrote it
      const former = locked("former", { pid: own.pid, host: own.host })
      expect(await refusal(former)).toContain(`is being written by process ${process.pid}; wait for it`)
    },
    TIMEOUT
  )
})
