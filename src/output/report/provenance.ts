/** Where a run comes from and how to get it again: what was trained on what, the device, the versions, the plan, the commands. */
import { invocation, preparation } from "../invocation.ts"
import { count, type Html, html, percent } from "./html.ts"
import type { ReportedKind, RunRecord } from "./run-record.ts"

type Rows = ReadonlyArray<readonly [string, string | Html]>

const table = (caption: string, rows: Rows): Html => html`<div class="scroll"><table>
<caption>${caption}</caption>
<thead><tr><th scope="col">what</th><th scope="col" class="text">value</th></tr></thead>
<tbody>${rows.map(([name, value]) => html`<tr><th scope="row">${name}</th><td class="text">${value}</td></tr>`)}</tbody></table></div>`

export const trainedOn = ({ run }: RunRecord): Html => {
  const { factors, dense, total, frozen } = run.trainable
  const all = total + frozen
  return html`<section><h2>What was trained</h2><div class="grid">${table("Parameters", [
    ["adapter factors", count(factors)],
    ["trained themselves (head, saved modules)", count(dense)],
    ["trainable together", `${count(total)} (${percent(all === 0 ? null : total / all)} of all)`],
    ["frozen", count(frozen)]
  ])}${table("Base model", [
    ["folder", run.base.path],
    ...Object.entries(run.base.sha256).map(([file, hash]) => [`${file}, SHA-256`, hash] as const)
  ])}${dataTable(run.data)}</div></section>`
}

const dataTable = (data: RunRecord["run"]["data"]): Html => html`<div class="scroll"><table>
<caption>Data</caption>
<thead><tr><th scope="col">split</th><th scope="col">rows</th><th scope="col" class="text">classes and file</th></tr></thead>
<tbody>${data.map(({ split, where, rows, classes }) => {
  const each = condensed(classes.map(({ label, rows }) => `${label} ${count(rows)}`))
  return html`<tr><th scope="row">${split}</th><td>${count(rows)}</td><td class="text">${each}<br><span class="quiet">${where}</span></td></tr>`
})}</tbody></table></div>`

const condensed = (parts: ReadonlyArray<string>): string =>
  parts.length <= 12 ? parts.join(", ") : `${parts.slice(0, 12).join(", ")} and ${parts.length - 12} more classes`

export const machine = ({ run }: RunRecord): Html => {
  const device = Object.entries(run.device).filter(([, value]) => value !== null && typeof value !== "object")
  return html`<section><h2>Device and versions</h2><div class="grid">${table(
    "Device",
    device.map(([name, value]) => [name, String(value)])
  )}${table("Versions", Object.entries(run.versions))}</div></section>`
}

export const planListing = ({ plan }: RunRecord): Html => html`<section><h2>Plan</h2>
<details><summary>plan.json, with every default filled in</summary><pre>${JSON.stringify(plan, null, 2)}</pre></details></section>`

/** A word of a POSIX shell command. */
export const shellWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) && !word.startsWith("-") ? word : `'${word.replaceAll("'", `'\\''`)}'`

export const reproduction = ({ run, plan }: RunRecord, { next }: ReportedKind): Html => {
  const { directory, device } = run
  const backend = typeof device["backend"] === "string" ? device["backend"] : "auto"
  const commands = [
    ...(preparation === undefined ? [] : [preparation]),
    `${invocation} train ${shellWord(`${directory}/plan.json`)} --device ${shellWord(backend)}`,
    `${invocation} evaluate ${shellWord(directory)}`,
    `${invocation} ${next(shellWord(directory))}`
  ]
  const fused = (plan["training"] as { deterministic?: unknown } | undefined)?.deterministic === false
  const again =
    backend === "wasm"
      ? `On wasm, with the same versions${fused ? " on the same runtime" : ""}, the adapter comes out the same bit for bit, whatever the number of threads.`
      : `On ${backend} sums may be taken in another order, so numbers come out close, not bit for bit.`
  return html`<section><h2>Reproduce</h2>
<p>The plan of this run trains it again, from the folder it was started in (seed ${JSON.stringify(plan["seed"] ?? null)}). ${again}</p>
<pre><code>${commands.join("\n")}</code></pre></section>`
}
