/** Inputs of single values and of lists. Each edits a value of the plan, or undefined where nothing is set. */

import { createContext } from "preact"
import { useContext, useState } from "preact/hooks"
import type { PlanProblem } from "../../../../protocol/index.ts"
import { Select } from "../../../parts/fields.tsx"
import type { Schema, Shape } from "./schema.ts"

/** Context of all fields: the schema with its definitions, and the problems. */
interface FormContext {
  readonly root: Schema
  readonly problems: ReadonlyArray<PlanProblem>
}

export const Form = createContext<FormContext>({ root: {}, problems: [] })

export const useForm = (): FormContext => useContext(Form)

/** The element of a field, by its path in the plan. */
export const idOf = (path: string): string => `plan-${path === "" ? "all" : path}`

/** Problems at a path; with `within`, also below it. */
export const useProblems = (path: string, within = false): ReadonlyArray<string> =>
  useForm().problems.flatMap((problem) =>
    problem.path === path || (within && problem.path.startsWith(`${path}.`)) ? [problem.message] : []
  )

export interface InputProps {
  readonly id: string
  readonly path: string
  readonly value: unknown
  readonly fallback: unknown
  readonly change: (value: unknown) => void
}

/** Attributes of an input: validity, and the elements that describe it. */
const useMarks = (id: string, path: string) => {
  const isWrong = useProblems(path, true).length > 0
  return {
    "aria-invalid": isWrong ? true : undefined,
    "aria-describedby": isWrong ? `${id}-wrong ${id}-help` : `${id}-help`
  }
}

const valueText = (value: unknown): string =>
  value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value)

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/**
 * The typed text of a value, kept while it reads as the value ("1e-", a line break at the end); a value that changes elsewhere
 * replaces it.
 */
const useText = (value: unknown, textOf: (value: unknown) => string, readAs: (text: string) => unknown) => {
  const [typed, setTyped] = useState(() => textOf(value))
  const text = isSame(readAs(typed), value) ? typed : textOf(value)
  return [text, setTyped] as const
}

const numberIn = (text: string): number | undefined => {
  const number = text.trim() === "" ? Number.NaN : Number(text.trim().replace(",", "."))
  return Number.isFinite(number) ? number : undefined
}

type Word = Extract<Shape, { kind: "word" }>

export const WordInput = ({ id, path, value, fallback, change, shape }: InputProps & { readonly shape: Word }) => {
  const { isText, isNumber, words, range } = shape
  // what is not a number stays a text in the plan, and the check reports it
  const readAs = (text: string): unknown => {
    if (text === "") return undefined
    return (isNumber ? numberIn(text) : undefined) ?? text
  }
  const [text, setText] = useText(value, valueText, readAs)
  const marks = useMarks(id, path)
  const usual = fallback === undefined || fallback === null ? undefined : `default ${valueText(fallback)}`
  const hints = [usual, range, ...words.map((word) => `or ${word}`)].filter((hint) => hint !== undefined)
  return (
    <>
      <input
        {...marks}
        id={id}
        type="text"
        inputMode={isNumber && !isText && words.length === 0 ? "decimal" : undefined}
        autocomplete="off"
        spellcheck={false}
        placeholder={hints.join("; ")}
        list={words.length === 0 ? undefined : `${id}-words`}
        value={text}
        onInput={({ currentTarget }) => {
          setText(currentTarget.value)
          change(readAs(currentTarget.value))
        }}
      />
      {words.length === 0 ? null : (
        <datalist id={`${id}-words`}>
          {words.map((word) => (
            <option key={word} value={word} />
          ))}
        </datalist>
      )}
    </>
  )
}

export const ChoiceInput = ({
  id,
  path,
  value,
  fallback,
  change,
  values,
  isRequired
}: InputProps & { readonly values: ReadonlyArray<string>; readonly isRequired: boolean }) => {
  const marks = useMarks(id, path)
  const isKnown = value === undefined || values.includes(String(value))
  return (
    <Select
      {...marks}
      id={id}
      value={value === undefined ? "" : String(value)}
      choose={(next) => change(next === "" ? undefined : next)}
      options={values.map((choice) => [choice, choice])}
    >
      {isRequired && value !== undefined ? null : (
        <option value="">{fallback === undefined ? "not set" : `default ${valueText(fallback)}`}</option>
      )}
      {isKnown ? null : <option value={String(value)}>{valueText(value)}</option>}
    </Select>
  )
}

export const BooleanInput = (props: InputProps) => {
  const { fallback, value, change } = props
  const yes = (answerOf: unknown) => (answerOf === true ? "yes" : answerOf === false ? "no" : undefined)
  return (
    <ChoiceInput
      {...props}
      value={yes(value) ?? value}
      fallback={yes(fallback)}
      values={["yes", "no"]}
      isRequired={false}
      change={(next) => change(next === undefined ? undefined : next === "yes")}
    />
  )
}

type Lines = Extract<Shape, { kind: "lines" }>

/** One entry per line. */
export const LinesInput = ({ id, path, value, fallback, change, shape }: InputProps & { readonly shape: Lines }) => {
  const { words, isNumber, isOneText } = shape
  const textOf = (lines: unknown) => (Array.isArray(lines) ? lines.map(valueText).join("\n") : valueText(lines))
  const readAs = (text: string): unknown => {
    const lines = text.split("\n").map((line) => line.trim())
    const entries = lines.filter((line) => line !== "")
    if (entries.length === 0) return undefined
    if (entries.length === 1 && (isOneText || words.includes(entries[0]!))) return entries[0]
    return isNumber ? entries.map((entry) => numberIn(entry) ?? entry) : entries
  }
  const [text, setText] = useText(value, textOf, readAs)
  const marks = useMarks(id, path)
  const hints = ["one per line", ...words.map((word) => `or ${word}`)]
  if (fallback !== undefined && textOf(fallback) !== "") hints.push(`default ${textOf(fallback)}`)
  return (
    <textarea
      {...marks}
      id={id}
      rows={Math.min(6, Math.max(2, text.split("\n").length))}
      spellcheck={false}
      placeholder={hints.join("; ")}
      value={text}
      onInput={({ currentTarget }) => {
        setText(currentTarget.value)
        change(readAs(currentTarget.value))
      }}
    />
  )
}

/** Any value, as JSON. Invalid JSON stays in the input. */
export const JsonInput = ({ id, path, value, change }: InputProps) => {
  const json = value === undefined ? "" : JSON.stringify(value, null, 2)
  const [typed, setTyped] = useState<string | undefined>(undefined)
  const marks = useMarks(id, path)
  const parsed = (text: string): { readonly value: unknown } | undefined => {
    try {
      return { value: text.trim() === "" ? undefined : JSON.parse(text) }
    } catch {
      return undefined
    }
  }
  const isBroken = typed !== undefined && parsed(typed) === undefined
  return (
    <>
      <textarea
        {...marks}
        id={id}
        rows={Math.min(10, Math.max(2, json.split("\n").length))}
        spellcheck={false}
        placeholder="JSON"
        aria-invalid={isBroken ? true : marks["aria-invalid"]}
        value={isBroken ? typed : json}
        onInput={({ currentTarget }) => {
          setTyped(currentTarget.value)
          const result = parsed(currentTarget.value)
          if (result !== undefined) change(result.value)
        }}
      />
      {isBroken ? <p class="wrong-value">Not valid JSON yet; the plan is unchanged.</p> : null}
    </>
  )
}
