/** The markup of a gain, once for report.html and the studio's page: each makes the elements in its own way. */
import type { Gain, Mark } from "./gain.ts"

/** Makes an element: `element` of html.ts, or Preact's `h`. */
type MakeElement<Node> = (
  tag: string,
  attributes: Readonly<Record<string, string>>,
  ...children: ReadonlyArray<Node | string | null>
) => Node

const at = ({ at: place }: Mark): string => `--at:${place.toFixed(4)}`

export const gainView = <Node>(
  h: MakeElement<Node>,
  { metric, on, before, after, baseline, interval, ends, legend, trust }: Gain
): Node => {
  const words = legend.map(({ text }) => text).join("; ")
  const bar = `${metric} ${after.text} on a bar from ${ends[0]} to ${ends[1]}; ${words}`
  const mark = (look: string, style: string) => h("i", { class: look, style })
  return h(
    "section",
    { class: "gain", "aria-label": "Result" },
    h("p", { class: "gain-of" }, h("strong", {}, metric), ` on ${on}`),
    h(
      "p",
      { class: "gain-numbers" },
      ...(before === null ? [] : [h("span", {}, before.text), " ", h("span", { "aria-hidden": "true" }, "→"), " "]),
      h("strong", {}, after.text)
    ),
    h(
      "div",
      { class: "gain-bar", role: "img", "aria-label": bar },
      mark("after", at(after)),
      interval && mark("interval", `${at(interval[0])};--to:${interval[1].at.toFixed(4)}`),
      baseline && mark("baseline", at(baseline)),
      before && mark("before", at(before))
    ),
    h("p", { class: "gain-ends" }, ...ends.map((end) => h("span", {}, end))),
    h("ul", { class: "gain-legend" }, ...legend.map(({ look, text }) => h("li", { class: look }, text))),
    h("p", { class: `gain-trust ${trust.tone}` }, h("strong", {}, `${trust.title}.`), ` ${trust.says}`)
  )
}
