/** What the columns are for, and the model: everything that a suggestion goes by. */
import { useState } from "preact/hooks"
import type { BaseModel, ColumnRole, Rows, SuggestedPlan } from "../../../protocol/index.ts"
import { Select } from "../../parts/fields.tsx"
import { useStudio } from "../../use.ts"
import type { Dialect, Draft } from "./draft.ts"
import { labelOf } from "./form/schema.ts"

type Columns = Draft["columns"]

interface RolesProps {
  readonly roles: ReadonlyArray<ColumnRole>
  readonly rows: Rows
  /** of the plan that is suggested now; undefined: there is none */
  readonly suggestion: SuggestedPlan | undefined
  readonly columns: Columns
  readonly change: (columns: Columns) => void
}

const upper = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1)

const Role = ({
  role: { name, says, isSeveral },
  rows,
  found,
  named,
  change
}: {
  readonly role: ColumnRole
  readonly rows: Rows
  readonly found: string | null | undefined
  readonly named: string | undefined
  readonly change: (column: string | undefined) => void
}) => {
  const id = `role-${name}`
  const now = named ?? found ?? ""
  const isColumn = now === "" || rows.columns.some((column) => column.name === now)
  return (
    <div class="field">
      <label for={id}>{labelOf(name)}</label>
      {isSeveral ? (
        <input
          id={id}
          type="text"
          aria-describedby={`${id}-help`}
          autocomplete="off"
          value={now}
          onChange={({ currentTarget }) => change(currentTarget.value.trim() || undefined)}
        />
      ) : (
        <Select
          id={id}
          aria-describedby={`${id}-help`}
          value={now}
          choose={(column) => change(column || undefined)}
          options={rows.columns.map((one) => [one.name, one.name.length > 60 ? `${one.name.slice(0, 60)}…` : one.name])}
        >
          <option value="">{named === undefined ? "none" : "found by itself"}</option>
          {isColumn ? null : <option value={now}>{now}</option>}
        </Select>
      )}
      <p class="help" id={`${id}-help`}>
        {upper(says)}.
      </p>
    </div>
  )
}

/** A choice for each role: those of the suggestion's format first, the others on demand. */
export const Roles = ({ roles, rows, suggestion, columns, change }: RolesProps) => {
  const own = suggestion?.columns ?? {}
  const isOwn = ({ name }: ColumnRole) =>
    suggestion === undefined || Object.hasOwn(own, name) || Object.hasOwn(columns, name)
  const role = (one: ColumnRole) => (
    <Role
      key={one.name}
      role={one}
      rows={rows}
      found={own[one.name]}
      named={columns[one.name]}
      change={(column) => {
        const { [one.name]: _, ...others } = columns
        change(column === undefined ? others : { ...others, [one.name]: column })
      }}
    />
  )
  const others = roles.filter((one) => !isOwn(one))
  return (
    <>
      <div class="choices">{roles.filter(isOwn).map(role)}</div>
      {others.length === 0 ? null : (
        <details class="more">
          <summary>Use these columns differently</summary>
          <div class="choices">{others.map(role)}</div>
        </details>
      )}
    </>
  )
}

/** What may be said of how a file is written: the field's label, what is taken where nothing is said, and each value with its words. */
const dialects: ReadonlyArray<{
  readonly name: keyof Dialect
  readonly label: string
  readonly usual: string
  readonly options: ReadonlyArray<readonly [value: NonNullable<Dialect[keyof Dialect]>, says: string]>
}> = [
  {
    name: "separator",
    label: "Between columns is",
    usual: "what the header shows",
    options: [
      ["comma", "a comma"],
      ["semicolon", "a semicolon"],
      ["tab", "a tab"],
      ["pipe", "a |"]
    ]
  },
  {
    name: "encoding",
    label: "Letters are encoded as",
    usual: "what the file shows",
    options: [
      ["utf-8", "UTF-8"],
      ["latin1", "Windows-1252 (Latin 1)"]
    ]
  }
]

/** How the file is written, for those that do not show it themselves. */
export const Written = ({
  dialect,
  change
}: {
  readonly dialect: Dialect
  readonly change: (dialect: Dialect) => void
}) => (
  <details class="more" open={Object.keys(dialect).length > 0}>
    <summary>Columns look wrong?</summary>
    <div class="choices">
      {dialects.map(({ name, label, usual, options }) => (
        <div key={name} class="field">
          <label for={name}>{label}</label>
          <Select
            id={name}
            value={dialect[name] ?? ""}
            choose={(value) => {
              const { [name]: _, ...others } = dialect
              change(value === "" ? others : { ...others, [name]: value })
            }}
            options={options}
          >
            <option value="">{usual}</option>
          </Select>
        </div>
      ))}
    </div>
  </details>
)

const OTHER = "\u0000"

/** A model of the list, or any that a plan can name where the host reads paths of a machine. */
export const ModelChoice = ({
  models,
  model,
  suits,
  change
}: {
  readonly models: ReadonlyArray<BaseModel>
  /** null: the one that suits what is learned */
  readonly model: string | null
  /** that one, where there is one */
  readonly suits: string | undefined
  readonly change: (model: string | null) => void
}) => {
  const { about } = useStudio()
  const [isOther, setOther] = useState(false)
  const [typed, setTyped] = useState("")
  const suiting = models.find(({ source }) => source === suits)?.name ?? suits
  const isListed = model === null || models.some(({ source }) => source === model)
  return (
    <div class="field model">
      <label for="model">Model</label>
      <Select
        id="model"
        aria-describedby="model-help"
        value={isOther ? OTHER : (model ?? "")}
        choose={(next) => {
          setOther(next === OTHER)
          if (next !== OTHER) change(next || null)
        }}
        options={[
          ...models.map(({ source, name, says }) => [source, `${name}: ${says}`] as const),
          ...(about.abilities.includes("paths") ? [[OTHER, "another …"] as const] : [])
        ]}
      >
        <option value="">{suiting === undefined ? "the one that suits" : `the one that suits: ${suiting}`}</option>
        {isListed ? null : <option value={model}>{model}</option>}
      </Select>
      {isOther ? (
        <form
          class="row"
          onSubmit={(event) => {
            event.preventDefault()
            if (typed.trim() === "") return
            setOther(false)
            change(typed.trim())
          }}
        >
          <label class="hidden" for="other-model">
            Folder, file or name of the model
          </label>
          <input
            id="other-model"
            type="text"
            autocomplete="off"
            spellcheck={false}
            placeholder="models/mine, or hf:owner/name"
            value={typed}
            onInput={({ currentTarget }) => setTyped(currentTarget.value)}
          />
          <button type="submit" disabled={typed.trim() === ""}>
            Take it
          </button>
        </form>
      ) : null}
      <p class="help" id="model-help">
        {isOther
          ? "A folder of Hugging Face, a model.json or a .gguf file; or hf:owner/name, which is fetched once."
          : "The base model. Its weights stay frozen; training adds an adapter."}
      </p>
    </div>
  )
}
