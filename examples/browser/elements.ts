/** What stands in the page: its elements by id, and the parts that are made of data. */
import { canvasOf, type Example } from "./digit-image.ts"
import { percent } from "./prediction.ts"

export const element = <E extends HTMLElement = HTMLElement>(id: string): E => {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`index.html has no element "${id}"`)
  return found as E
}

export const show = (id: string, text: string): void => {
  element(id).textContent = text
}

const make = <K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]>,
  ...children: ReadonlyArray<Node | string>
): HTMLElementTagNameMap[K] => {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}

/** A choice of the ten labels. */
export const makeLabels = (): void => {
  for (let label = 0; label < 10; label++) {
    const input = make("input", { type: "radio", name: "label", value: `${label}`, checked: label === 0 })
    element("labels").append(make("label", {}, input, make("span", {}, `${label}`)))
  }
}

export const chosenLabel = (): number =>
  Number(document.querySelector<HTMLInputElement>("#labels input:checked")!.value)

export const chooseLabel = (label: number): void => {
  document.querySelector<HTMLInputElement>(`#labels input[value="${label}"]`)!.checked = true
}

/** A row for each digit, its number and its bar. */
export const makeProbabilities = (): void => {
  for (let digit = 0; digit < 10; digit++) {
    const name = Object.assign(make("th", {}, `${digit}`), { scope: "row" })
    const bar = make("meter", { min: 0, max: 1, value: 0 })
    bar.setAttribute("aria-label", `probability of ${digit}`)
    element("probabilities")
      .querySelector("tbody")!
      .append(make("tr", {}, name, make("td", {}, bar), make("td", {})))
  }
}

/** Probabilities of the ten digits; undefined: none. */
export const showProbabilities = (probabilities: ArrayLike<number> | undefined): void => {
  const values = Array.from({ length: 10 }, (_, digit) => probabilities?.[digit] ?? 0)
  const top = Math.max(...values)
  element("probabilities")
    .querySelectorAll("tbody tr")
    .forEach((row, digit) => {
      const value = values[digit]!
      row.classList.toggle("top", probabilities !== undefined && value === top)
      row.querySelector("meter")!.value = value
      row.lastElementChild!.textContent = probabilities === undefined ? "" : percent(value)
    })
}

const picture = ({ greys, label }: Example): ReadonlyArray<Node | string> => {
  const canvas = canvasOf(greys)
  canvas.ariaHidden = "true"
  return [canvas, `${label}`]
}

/** The visitor's own examples, which can be removed one by one, and the ready ones, which cannot. */
export const showExamples = (
  own: ReadonlyArray<Example>,
  ready: ReadonlyArray<Example>,
  remove: (example: Example) => void
): void => {
  const removable = own.map((example) => {
    const button = make("button", { type: "button", title: "Remove" }, ...picture(example))
    button.ariaLabel = `Remove this example of ${example.label}`
    button.addEventListener("click", () => remove(example))
    return make("li", {}, button)
  })
  element("examples").replaceChildren(...removable, ...ready.map((example) => make("li", {}, ...picture(example))))
}

export interface Download {
  readonly name: string
  readonly content: Blob
}

/** Saves a file that is made at this moment. */
export const download = (name: string, content: Blob): void => {
  const link = make("a", { href: URL.createObjectURL(content), download: name })
  link.click()
  // when the browser has surely begun to read it
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}

/** Links to files that are only here; what they linked to before is let go. */
export const showDownloads = (downloads: ReadonlyArray<Download>): void => {
  const list = element("downloads")
  for (const { href } of list.querySelectorAll("a")) URL.revokeObjectURL(href)
  list.replaceChildren(
    ...downloads.map(({ name, content }) => {
      const link = make("a", { href: URL.createObjectURL(content), download: name }, name)
      const size = content.size < 1000 ? `${content.size} bytes` : `${(content.size / 1000).toFixed(1)} kB`
      return make("li", {}, link, ` ${size}`)
    })
  )
  list.hidden = downloads.length === 0
  element("how").hidden = downloads.length === 0
  element("take").hidden = downloads.length > 0
}
