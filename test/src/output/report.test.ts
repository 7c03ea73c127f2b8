/**
 * The report as a document: the numbers of a run are in it, nothing of a user's can run in it, and nothing is loaded by it. How it
 * looks in a browser is test/e2e/report.browser.ts.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { shellWord } from "../../../src/boundary/index.ts"
import { classification } from "../../../src/kinds/encoder/classification/index.ts"
import { resolve } from "../../../src/kinds/index.ts"
import { type RunFolder, runFolder, writeReport } from "../../../src/output/index.ts"
import type { Plot } from "../../../src/output/report/chart.ts"
import { placeOf } from "../../../src/output/report/gradient.ts"
import { embeddedJson, escapeHtml, html } from "../../../src/output/report/html.ts"
import { smoothed } from "../../../src/output/report/plots.ts"
import { evaluationTable } from "../../../src/output/report/results.ts"
import { readPlan } from "../../../src/plan/index.ts"
import { platform } from "../../../src/platform.ts"
import { type Listener, Progress } from "../../../src/run/index.ts"
import { train } from "../../../src/train.ts"
import type { DiagnosticsReport, SiteDiagnostics } from "../../../src/training/index.ts"
import { jsonObjects, tinyPlan, workspace } from "../../e2e/fixtures.ts"
import { expectClose } from "../../setup.ts"
import { hostileLabels, hostileText, writeHostileRows } from "./hostile-run.ts"
import { onDevice, trainTiny } from "./tiny-run.ts"

/** Plotted numbers are rounded to five digits. */
const PLOTTED = 1e-4

/** What a report of the default run may weigh, and of any longer one. */
const BYTES = 400e3

const w = workspace()
const STEPS = 6
/** as they were before the hostile ones took their place */
const plainRows = jsonObjects(w.read("test.jsonl")) as unknown as ReadonlyArray<{ text: string; label: string }>

beforeAll(async () => {
  w.model("bert")
  const training = { steps: STEPS, batchSize: 4, evaluateEvery: 2, evaluateRows: 5 }
  await trainTiny(w, "plain", "bert", { training })
  await trainTiny(w, "head", "bert", { adapter: { method: "none" }, optimizer: { kind: "sgd", learningRate: 0.1 } })
  const { validation: _, test: __, ...blind } = tinyPlan("bert").data
  await trainTiny(w, "blind", "bert", { data: blind })
  await trainTiny(w, "seen", "bert", {
    training: { ...training, diagnostics: { every: 2 } },
    optimizer: { kind: "lora-pro", learningRate: 1e-2 }
  })
  writeHostileRows(w)
  await trainTiny(w, "hostile", "bert", { training })
})

interface Document {
  /** tag names in order */
  readonly elements: ReadonlyArray<string>
  /** [element, attribute, value] */
  readonly attributes: ReadonlyArray<readonly [string, string, string]>
  /** what a reader reads: scripts and styles excepted */
  readonly text: string
  readonly plots: ReadonlyArray<Plot>
}

/** Parsed as a browser would: an escape that does not hold shows up as an element. */
const parsed = (page: string): Document => {
  const elements: Array<string> = []
  const attributes: Array<[string, string, string]> = []
  let text = ""
  let plots = ""
  let silent = ""
  new HTMLRewriter()
    .on("*", {
      element: (element) => {
        elements.push(element.tagName)
        for (const [name, value] of element.attributes) attributes.push([element.tagName, name, value])
        if (!["script", "style"].includes(element.tagName)) return
        silent = element.getAttribute("id") ?? element.tagName
        element.onEndTag(() => {
          silent = ""
        })
      },
      text: (chunk) => {
        if (silent === "plots") plots += chunk.text
        else if (silent === "") text += chunk.text
      }
    })
    .transform(page)
  return { elements, attributes, text: unescaped(text), plots: JSON.parse(plots) }
}

const unescaped = (text: string) =>
  text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&")

const pageOf = (run: string) => w.read(`runs/${run}/report.html`)
const reportOf = (run: string) => parsed(pageOf(run))
const percent = (share: unknown) => `${(100 * (share as number)).toFixed(1)} %`

describe("the numbers of the run", () => {
  test("results, evaluations and parameters are told", () => {
    const { text } = reportOf("plain")
    const run = w.json("runs/plain/run.json") as {
      test: { accuracy: number; loss: number }
      trainable: { total: number }
    }
    expect(text).toContain(`Accuracy on test ${percent(run.test.accuracy)} (9 rows), loss ${run.test.loss.toFixed(3)}`)
    expect(text).toContain(run.trainable.total.toLocaleString("en"))
    const evaluations = jsonObjects(w.read("runs/plain/metrics.jsonl")).filter(({ kind }) => kind === "evaluation")
    expect(evaluations).toHaveLength(7)
    for (const { loss, accuracy } of evaluations) {
      expect(text).toContain((loss as number).toFixed(3))
      expect(text).toContain(percent(accuracy))
    }
    for (const label of ["bad", "fair", "good"]) expect(text).toContain(label)
    for (const fact of ["wasm", "4.22.0", '"rank": 4', "train.jsonl", "SHA-256"]) expect(text).toContain(fact)
  })

  test("curves are the metrics'", () => {
    const { plots } = reportOf("plain")
    const metrics = jsonObjects(w.read("runs/plain/metrics.jsonl"))
    const steps = metrics.filter(({ kind }) => kind === "step")
    const names = ["loss", "accuracy", "learning-rate", "step-time", "gradient-norm", "conditioning", "updates"]
    expect(plots.map(({ id }) => id)).toEqual(names)
    const curve = (id: string, label: string) => {
      const plot = plots.find((one) => one.id === id)!
      const values = plot.series.find((one) => one.label === label)!.values
      return plot.x.flatMap((x, i) => (values[i] === null ? [] : [[x, values[i]!]]))
    }
    expect(curve("loss", "training").map(([step]) => step)).toEqual([1, 2, 3, 4, 5, 6])
    const values = (id: string, label: string) => curve(id, label).map(([, value]) => value!)
    const of = (key: string) => steps.map((row) => row[key] as number)
    expectClose(values("loss", "training"), of("loss"), PLOTTED)
    expectClose(values("learning-rate", "learning rate"), of("learningRate"), PLOTTED)
    expectClose(values("step-time", "step"), of("milliseconds"), PLOTTED)
    expectClose(values("gradient-norm", "norm"), of("gradNorm"), PLOTTED)
    // all on the rows that are looked at on the way
    const validation = metrics.filter(({ split, rows }) => split === "validation" && rows === 5)
    expect(curve("accuracy", "validation").map(([step]) => step)).toEqual([2, 4, 6])
    expectClose(
      values("accuracy", "validation"),
      validation.map(({ accuracy }) => 100 * (accuracy as number)),
      PLOTTED
    )
    // B starts at 0, so step 1 has λ_min = 0, for which a logarithmic axis has no place
    const worst = steps.map((row) => (row["health"] as { conditioning: { worst: number } }).conditioning.worst)
    expect(worst[0]).toBe(0)
    expect(curve("conditioning", "worst site").map(([step]) => step)).toEqual([2, 3, 4, 5, 6])
    expectClose(values("conditioning", "worst site"), worst.slice(1), PLOTTED)
  })

  test("a confusion matrix per split, row by row", () => {
    const tables = pageOf("plain").match(/<caption>\w+, \d+ rows<\/caption>[\s\S]*?<\/table>/g)!
    expect(tables).toHaveLength(2)
    for (const [i, split] of ["validation", "test"].entries()) {
      const cells = [...tables[i]!.matchAll(/class="share"[^>]*>(\d+)</g)].map(([, n]) => Number(n))
      const { confusion } = w.json("runs/plain/run.json")[split] as { confusion: ReadonlyArray<ReadonlyArray<number>> }
      expect(cells).toEqual(confusion.flat())
    }
  })

  test("what was got wrong: all of it up to 20, most confident first, and it was indeed wrong", () => {
    type Mistake = { where: string; text: string; label: string; predicted: string; probability: number }
    const run = w.json("runs/plain/run.json") as unknown as { mistakes: Array<Mistake>; test: { accuracy: number } }
    expect(run.mistakes).toHaveLength(Math.round(9 * (1 - run.test.accuracy)))
    expect(run.mistakes.length).toBeGreaterThan(0)
    const { text } = reportOf("plain")
    for (const mistake of run.mistakes) {
      const line = Number(/test\.jsonl:(\d+)$/.exec(mistake.where)![1])
      expect({ text: mistake.text, label: mistake.label }).toEqual(plainRows[line - 1]!)
      expect(mistake.predicted).not.toBe(mistake.label)
      expect(mistake.probability).toBeGreaterThan(1 / 3)
      expect(text).toContain(mistake.text)
      expect(text).toContain(`predicted ${mistake.predicted} at ${percent(mistake.probability)}`)
    }
    const probabilities = run.mistakes.map(({ probability }) => probability)
    expect(probabilities).toEqual(probabilities.toSorted((a, b) => b - a))
  })

  test("a run of the head alone has no curves of an adapter; one without splits says that the gain is not known", () => {
    expect(reportOf("head").plots.map(({ id }) => id)).not.toContain("conditioning")
    const { text, plots } = reportOf("blind")
    expect(text).toContain("so the gain is unknown")
    expect(plots.map(({ id }) => id)).not.toContain("accuracy")
  })
})

describe("the full gradient, where the plan looked at it", () => {
  const looks = () =>
    jsonObjects(w.read("runs/seen/metrics.jsonl")).filter(
      ({ kind }) => kind === "diagnostics"
    ) as unknown as ReadonlyArray<DiagnosticsReport>
  const median = (values: ReadonlyArray<number>) => {
    const order = values.toSorted((a, b) => a - b)
    return (order[Math.floor((order.length - 1) / 2)]! + order[Math.ceil((order.length - 1) / 2)]!) / 2
  }

  test("curves are the metrics': the median site and the worst, of the method and of the best possible", () => {
    const { plots } = reportOf("seen")
    expect(plots.slice(7).map(({ id }) => id)).toEqual([
      "discrepancy",
      "cosine",
      "condition",
      "effective-rank",
      "gauge"
    ])
    const values = (id: string, label: string) =>
      plots.find((plot) => plot.id === id)!.series.find((series) => series.label === label)!.values as Array<number>
    const [discrepancy] = plots.slice(7)
    expect(discrepancy!.x).toEqual([1, 3, 5])
    const of = (pick: (site: SiteDiagnostics) => number | null) =>
      looks().map(({ sites }) => sites.map((site) => pick(site)!))
    const method = of((site) => site.method.discrepancy)
    expectClose(values("discrepancy", "method, median"), method.map(median), PLOTTED)
    expectClose(
      values("discrepancy", "method, worst site"),
      method.map((each) => Math.max(...each)),
      PLOTTED
    )
    expectClose(
      values("discrepancy", "best possible, median"),
      of((site) => site.best.discrepancy).map(median),
      PLOTTED
    )
    const cosines = of((site) => site.method.cosine)
    expectClose(
      values("cosine", "method, worst site"),
      cosines.map((each) => Math.min(...each)),
      PLOTTED
    )
    expectClose(values("cosine", "step taken, median"), of((site) => site.stepCosine).map(median), PLOTTED)
    // there is no condition of B = 0
    expect(values("condition", "B, median")[0]).toBeNull()
    expectClose(
      values("condition", "B, worst site").slice(1),
      of((site) => site.B.condition)
        .slice(1)
        .map((each) => Math.max(...each)),
      PLOTTED
    )
  })

  test("a heat map by depth and type of weight, of the mean over the probes, which needs no script", async () => {
    // a method that stays behind, so that its number is not the best possible one
    const folder = copied("behind", "seen")
    const behind = looks().map((look) => ({
      ...look,
      sites: look.sites.map((site, i) => ({
        ...site,
        best: { ...site.best, discrepancy: (0.5 + i / 40) * site.best.discrepancy! }
      }))
    }))
    const others = jsonObjects(w.read("runs/seen/metrics.jsonl")).filter(({ kind }) => kind !== "diagnostics")
    w.write("runs/behind/metrics.jsonl", [...behind, ...others].map((row) => JSON.stringify(row)).join("\n"))
    await write(folder)
    const table = /<h3>By depth[\s\S]*?<\/table>/.exec(pageOf("behind"))![0]
    const rows = [...table.matchAll(/<th scope="row">(.*?)<\/th>(.*)<\/tr>/g)]
    expect(rows.map(([, depth]) => depth)).toEqual(["encoder.layer.0", "encoder.layer.1"])
    const types = [...table.matchAll(/<th scope="col">(.*?)<\/th>/g)]
      .slice(1)
      .map(([, type]) => type!.replaceAll("<wbr>", ""))
    expect(types).toHaveLength(6)
    for (const [, depth, cells] of rows) {
      const shown = [...cells!.matchAll(/--share:([\d.]+)">([\d.]+)<small>best ([\d.]+)</g)]
      expect(shown).toHaveLength(6)
      shown.forEach(([, share, method, best], i) => {
        const own = behind.map(({ sites }) => sites.find(({ site }) => site === `${depth}.${types[i]}`)!)
        const mean = (pick: (site: SiteDiagnostics) => number | null) =>
          own.reduce((sum, site) => sum + pick(site)! / own.length, 0)
        expect(method).toBe(mean((site) => site.method.discrepancy).toFixed(3))
        expect(best).toBe(mean((site) => site.best.discrepancy).toFixed(3))
        expect(Number(share)).toBeWithin(0, 1.0001)
      })
    }
  })

  test("the theorem's check is told; where it fails, with what it says", async () => {
    expect(reportOf("seen").text).toMatch(/LoRA-Pro's theorem holds at 36 of 36 probes of a layer, to \d.*of ‖g‖/)
    expect(reportOf("plain").text).not.toContain("The full gradient")
    const folder = copied("broken-theorem", "seen")
    const rows = jsonObjects(w.read("runs/seen/metrics.jsonl")).map((row) =>
      row["kind"] === "diagnostics" && row["step"] === 3
        ? { ...row, warnings: Array.from({ length: 9 }, (_, i) => `step 3, <b>site ${i}</b> is off`) }
        : row
    )
    w.write("runs/broken-theorem/metrics.jsonl", rows.map((row) => JSON.stringify(row)).join("\n"))
    await write(folder)
    const { text } = reportOf("broken-theorem")
    expect(text).toContain("does not hold at 9 of 36 probes")
    expect(text).toContain("step 3, <b>site 4</b> is off")
    expect(text).toContain("and 4 more in metrics.jsonl")
  })

  test("names without a number, and with several prefixes", () => {
    expect(placeOf("encoder.layer.3.attention.self.query")).toEqual({
      depth: "encoder.layer.3",
      type: "attention.self.query"
    })
    expect(placeOf("transformer.h.11.mlp.c_fc")).toEqual({ depth: "transformer.h.11", type: "mlp.c_fc" })
    expect(placeOf("pooler.dense")).toEqual({ depth: "–", type: "pooler.dense" })
  })
})

describe("nothing of a user's runs", () => {
  test("hostile labels and texts are text", () => {
    const { text, elements, plots } = reportOf("hostile")
    expect(text).toContain(hostileText)
    for (const label of hostileLabels) expect(text).toContain(label.replace("\u0007", "\ufffd"))
    expect(elements.filter((name) => name === "script")).toHaveLength(3)
    expect(elements).not.toContainAnyValues(["img", "svg", "iframe", "object", "link"])
    expect(plots.length).toBeGreaterThan(3)
  })

  test("the policy allows the two scripts by hash, and nothing else", () => {
    const page = pageOf("hostile")
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)![1]!.replaceAll("&#39;", "'")
    const scripts = [...page.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, code]) => code!)
    const hashes = scripts.map((code) => `'sha256-${new Bun.CryptoHasher("sha256").update(code).digest("base64")}'`)
    expect(hashes).toHaveLength(2)
    expect(policy.split("; ")).toContain(`script-src ${hashes.join(" ")}`)
    expect(policy).toStartWith("default-src 'none';")
  })

  test("every insertion of the template is escaped, in text and attributes", () => {
    const value = `<b>"'&`
    expect(html`<i title="${value}">${value}${[value]}${null}${false}${0}</i>`.source).toBe(
      `<i title="&lt;b&gt;&quot;&#39;&amp;">${"&lt;b&gt;&quot;&#39;&amp;".repeat(2)}0</i>`
    )
    expect(html`${html`<b>`}${[html`<i>`]}`.source).toBe("<b><i>")
    const embedded = embeddedJson({ label: "</script><!--" }).source
    expect(embedded).not.toContain("<")
    expect(JSON.parse(embedded)).toEqual({ label: "</script><!--" })
    expect(escapeHtml("a\u0000\ud800b\n\t")).toBe("a\ufffd\ufffdb\n\t")
  })

  test("commands quote what a shell would read", () => {
    expect(shellWord("runs/movies-1/plan.json")).toBe("runs/movies-1/plan.json")
    expect(shellWord("my run; rm -rf ~")).toBe("'my run; rm -rf ~'")
    expect(shellWord("it's $(x)")).toBe(`'it'\\''s $(x)'`)
    expect(shellWord("--out")).toBe("'--out'")
  })
})

describe("one file, whatever the run", () => {
  test("nothing is loaded", () => {
    for (const run of ["plain", "hostile", "head", "blind", "seen"]) {
      const { attributes } = reportOf(run)
      expect(attributes.length).toBeGreaterThan(50)
      const loading = ["src", "href", "srcset", "data", "action", "background", "poster"]
      expect(attributes.filter(([, name]) => loading.includes(name) || name.startsWith("on"))).toEqual([])
      const styles = pageOf(run)
        .match(/<style>[\s\S]*?<\/style>/g)!
        .join("")
      expect(styles).not.toMatch(/url\(|@import/)
      expect(pageOf(run).length).toBeLessThan(BYTES)
    }
  })

  test("tables have headers with a scope, plots a text alternative with their numbers", () => {
    const { elements, attributes, plots } = reportOf("plain")
    const tables = elements.filter((name) => name === "table").length
    expect(tables).toBeGreaterThan(5)
    expect(elements.filter((name) => name === "caption")).toHaveLength(tables)
    const headers = attributes.filter(([name, attribute]) => name === "th" && attribute === "scope")
    expect(headers).toHaveLength(elements.filter((name) => name === "th").length)
    const alternatives = attributes.filter(([name, attribute]) => name === "div" && attribute === "aria-label")
    for (const { title } of plots) {
      expect(alternatives.find(([, , value]) => value.startsWith(`${title}. `))?.[2]).toMatch(/\d at step 6/)
    }
  })

  test("50,000 steps make a page of the same size; a worst step is not averaged away", async () => {
    const folder = copied("long")
    const [first] = jsonObjects(w.read("runs/plain/metrics.jsonl")).filter(({ kind }) => kind === "step")
    const summary = (median: number, worst: number) => ({ median, worst, worstSite: "a" })
    const rows = Array.from({ length: 50_000 }, (_, i) => ({
      ...first,
      step: i + 1,
      loss: 1 / (1 + i),
      health: {
        conditioning: summary(1000 + i, i === 31_415 ? 0.5 : 900),
        relativeUpdateA: summary(0.1, i === 27_182 ? 7 : 0.2)
      }
    }))
    w.write("runs/long/metrics.jsonl", rows.map((row) => JSON.stringify(row)).join("\n"))
    await write(folder)
    const page = pageOf("long")
    expect(page.length).toBeLessThan(BYTES)
    const { plots } = parsed(page)
    const worst = (id: string, label: string) =>
      plots.find((plot) => plot.id === id)!.series.find((series) => series.label === label)!.values as Array<number>
    expect(Math.min(...worst("conditioning", "worst site"))).toBe(0.5)
    expect(Math.max(...worst("updates", "A, worst site"))).toBe(7)
    expect(Math.max(...plots.map(({ x }) => x.length))).toBe(1000)
    expect(plots[0]!.x.at(-1)).toBe(50_000)
  })

  test("a loss that is no number any more is a gap, not an error", async () => {
    const folder = copied("diverged")
    const rows = jsonObjects(w.read("runs/plain/metrics.jsonl")).map((row) =>
      row["step"] === 3 ? { ...row, loss: null, gradNorm: null } : row
    )
    // and the last line is cut off, as a killed process leaves it
    w.write("runs/diverged/metrics.jsonl", `${rows.map((row) => JSON.stringify(row)).join("\n")}\n{"kind":"st`)
    w.write("runs/diverged/run.json", { ...w.json("runs/plain/run.json"), trainLoss: null })
    await write(folder)
    const { x, series } = parsed(pageOf("diverged")).plots[0]!
    expect(series[0]!.values[x.indexOf(3)]).toBeNull()
    expect(series[1]!.values[x.indexOf(3)]).toBeNumber()
  })

  test("many classes: the pairs most often confused instead of a table of all", async () => {
    const folder = copied("many")
    const labels = Array.from({ length: 150 }, (_, i) => `class ${i}`)
    const confusion = labels.map((_, i) => labels.map((__, j) => (i === j ? 5 : i === 7 && j === 9 ? 4 : 0)))
    const run = w.json("runs/plain/run.json")
    const split = { ...(run["test"] as object), confusion, rows: 754 }
    w.write("runs/many/run.json", { ...run, labels, test: split, validation: null })
    await write(folder)
    expect(pageOf("many")).toContain(`<th scope="row">class 7</th><td class="text">class 9</td><td>4</td>`)
    expect(pageOf("many").length).toBeLessThan(BYTES)
  })
})

const copied = (name: string, of = "plain"): Promise<RunFolder> => {
  cpSync(w.path(`runs/${of}`), w.path(`runs/${name}`), { recursive: true })
  rmSync(w.path(`runs/${name}/report.html`))
  return Effect.runPromise(runFolder(w.path(`runs/${name}`)).pipe(Effect.provide(platform)))
}
const write = async (folder: Promise<RunFolder>) =>
  Effect.runPromise(writeReport(await folder, { ...classification, next: () => "" }).pipe(Effect.provide(platform)))

describe("a report that cannot be made", () => {
  test("names the file that is not what a run writes", async () => {
    const folder = copied("broken")
    w.write("runs/broken/run.json", `{"name": 3}`)
    expect(write(folder)).rejects.toThrow(/runs\/broken\/run\.json: not a valid run record/)
  })

  test("is a notice at the end of the run, not an error; so is a card", async () => {
    const file = w.path(w.write("unlucky.json", { ...tinyPlan("bert"), training: { steps: 1, batchSize: 4 } }))
    const directory = w.path("runs/unlucky")
    const notices: Array<string> = []
    const listener: Listener = (event) =>
      Effect.sync(() => {
        if (event.kind === "notice") notices.push(event.message)
        // folders where the files should go, once there is a run folder
        if (event.kind !== "step") return
        for (const name of ["report.html", "adapter/README.md"]) mkdirSync(join(directory, name), { recursive: true })
      })
    const run = await onDevice(
      Effect.gen(function* () {
        const read = yield* readPlan(file)
        return yield* train(yield* resolve(read.plan, read.name), { directory })
      }).pipe(Effect.provideService(Progress, listener))
    )
    expect(run.steps).toBe(1)
    expect(w.json("runs/unlucky/run.json")["name"]).toBe("unlucky")
    expect(existsSync(join(run.adapter, "adapter_model.safetensors"))).toBe(true)
    const warnings = notices.filter((notice) => notice.startsWith("warning:"))
    expect(warnings).toHaveLength(2)
    expect(warnings[0]).toContain("adapter/README.md")
    expect(warnings[1]).toContain("report.html")
    for (const warning of warnings) expect(warning).toEndWith(`the results are saved in ${directory}/ nevertheless`)
  })
})

test("the smoothed curve has no bias to its start, keeps a constant, and skips gaps", () => {
  expectClose(smoothed([3, 3, 3, 3], 10) as Array<number>, [3, 3, 3, 3], PLOTTED)
  const [first, second, third] = smoothed([4, 1, null], 2) as [number, number, number]
  expect(first).toBe(4)
  // weights ½ and ¼ of the last two, divided by their sum
  expectClose([second, third], [(0.5 * 1 + 0.25 * 4) / 0.75, 2], PLOTTED)
  expect(smoothed([null, 2], 5)).toEqual([null, 2])
})

test("of many evaluations the first and the last are shown, and it is said how many are not", () => {
  const evaluation = { kind: "evaluation", split: "validation", rows: 5, loss: 1, accuracy: 0.5, macroF1: 0.5 }
  const table = (count: number) => {
    const evaluations = Array.from({ length: count }, (_, i) => ({ ...evaluation, step: 1000 + i }))
    return evaluationTable({ evaluations, run: { baseline: undefined } } as never, classification as never)!.source
  }
  expect(table(60)).not.toContain("left out")
  expect(table(61)).toContain("1 between the first 10 and the last 50 are left out")
  expect(table(61)).toContain("<td>1,009</td>")
  expect(table(61)).not.toContain("<td>1,010</td>")
})
