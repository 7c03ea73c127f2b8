/** The studio's server as a process: runs that it starts, finds again, stops and resumes. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { existsSync } from "node:fs"
import { type OpenStudio, openStudio } from "../browser/studio.ts"
import { tinyPlan, workspace } from "../e2e/fixtures.ts"

const w = workspace()
w.model("bert")
const plan = (steps: number) => tinyPlan("bert", { training: { steps, batchSize: 4, evaluateEvery: 10 } })

let studio: OpenStudio
beforeAll(async () => {
  studio = await openStudio({ folder: w.directory })
})
afterAll(() => studio.close())

const ends = (id: string, state: string) =>
  studio.until("run", { id }, (event) => event.kind === "summary" && event.summary.state === state)

describe("runs of the studio", () => {
  test("are trained one after the other, and leave what the command line leaves", async () => {
    const first = await studio.call("start", { name: "a film", plan: plan(30) })
    const second = await studio.call("start", { name: "a film", plan: plan(20) })
    expect([first.id, second.id]).toEqual(["runs/a-film-1", "runs/a-film-2"])
    const waiting = (await studio.call("runs", {})).find(({ id }) => id === second.id)
    expect(waiting).toMatchObject({ state: "starting", note: "waits for runs/a-film-1 to end" })
    await ends(first.id, "finished")
    await ends(second.id, "finished")
    const result = await studio.call("result", first)
    expect(result.gained).toStartWith("Accuracy on test ")
    expect(result.files.map(({ path }) => path)).toContain("adapter/adapter_model.safetensors")
    expect(result.page).toBe("report.html")
    const curves = await studio.call("curves", { ids: [first.id, second.id], plot: "loss", points: 10 })
    expect(curves.runs.map(({ id, x }) => [id, x.at(-1)])).toEqual([
      [first.id, 30],
      [second.id, 20]
    ])
    // two plans of one name are two files
    expect(["plans/a-film.json", "plans/a-film-2.json"].map((name) => existsSync(w.path(name)))).toEqual([true, true])
  })
})
