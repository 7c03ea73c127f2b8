/** The columns' roles, the file's dialect and the model: the inputs of a suggestion. */

import { useState } from "preact/hooks"
import { capital } from "../../../../boundary/index.ts"
import type { BaseModel, ColumnRole, Rows, SuggestedPlan } from "../../../protocol/index.ts"
import { Field, Select, SubmitForm, TextField } from "../../parts/fields.tsx"
import { useStudio } from "../../use.ts"
import type { Dialect, Draft } from "./draft.ts"
import { labelOf } from "./form/schema.ts"

type Columns = Draft["columns"]

interface RolesProps {
  readonly roles: ReadonlyArray<ColumnRole>
  readonly rows: Rows
  /** the current suggestion; undefined: missing */
  readonly suggestion: SuggestedPlan | undefined
  readonly columns: Columns
  readonly change: (columns: Columns) => void
}

const Role = ({
  role: { name, says, isSeveral },
  rows,
  detected,
  named,
  change
}: {
  readonly role: ColumnRole
  readonly rows: Rows
  readonly detected: string | null | undefined
  readonly named: string | undefined
  readonly change: (column: string | undefined) => void
}) => {
  const now = named ?? detected ?? ""
  const isColumn = now === "" || rows.columns.some((column) => column.name === now)
  return (
    <Field label={labelOf(name)} help={`${capital(says)}.`}>
      {(marks) =>
        isSeveral ? (
          <input
            {...marks}
            type="text"
            autocomplete="off"
            value={now}
            onChange={({ currentTarget }) => change(currentTarget.value.trim() || undefined)}
          />
        ) : (
          <Select
            {...marks}
            value={now}
            choose={(column) => change(column || undefined)}
            options={rows.columns.map((column) => [
              column.name,
              column.name.length > 60 ? `${column.name.slice(0, 60)}…` : column.name
            ])}
          >
            <option value="">{named === undefined ? "none" : "detected"}</option>
            {isColumn ? null : <option value={now}>{now}</option>}
          </Select>
        )
      }
    </Field>
  )
}

/** A choice for each role: first the roles of the suggestion's format, the others on demand. */
export const Roles = ({ roles, rows, suggestion, columns, change }: RolesProps) => {
  const detected = suggestion?.columns ?? {}
  const isOwn = ({ name }: ColumnRole) =>
    suggestion === undefined || Object.hasOwn(detected, name) || Object.hasOwn(columns, name)
  const role = (columnRole: ColumnRole) => (
    <Role
      key={columnRole.name}
      role={columnRole}
      rows={rows}
      detected={detected[columnRole.name]}
      named={columns[columnRole.name]}
      change={(column) => {
        const { [columnRole.name]: _, ...others } = columns
        change(column === undefined ? others : { ...others, [columnRole.name]: column })
      }}
    />
  )
  const unused = roles.filter((columnRole) => !isOwn(columnRole))
  return (
    <>
      <div class="choices">{roles.filter(isOwn).map(role)}</div>
      {unused.length === 0 ? null : (
        <details class="more">
          <summary>Use these columns differently</summary>
          <div class="choices">{unused.map(role)}</div>
        </details>
      )}
    </>
  )
}

/** The options of a file's dialect: label, default, and values with their names. */
const dialects: ReadonlyArray<{
  readonly name: keyof Dialect
  readonly label: string
  readonly usual: string
  readonly options: ReadonlyArray<readonly [value: NonNullable<Dialect[keyof Dialect]>, says: string]>
}> = [
  {
    name: "separator",
    label: "Column separator",
    usual: "detected from the header",
    options: [
      ["comma", "comma"],
      ["semicolon", "semicolon"],
      ["tab", "tab"],
      ["pipe", "pipe (|)"]
    ]
  },
  {
    name: "encoding",
    label: "Encoding",
    usual: "detected from the file",
    options: [
      ["utf-8", "UTF-8"],
      ["latin1", "Windows-1252 (Latin 1)"]
    ]
  }
]

/** Overrides of a file's dialect, for files in which detection fails. */
export const DialectChoice = ({
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
        <Field key={name} label={label}>
          {(marks) => (
            <Select
              {...marks}
              value={dialect[name] ?? ""}
              choose={(value) => {
                const { [name]: _, ...others } = dialect
                change(value === "" ? others : { ...others, [name]: value })
              }}
              options={options}
            >
              <option value="">{usual}</option>
            </Select>
          )}
        </Field>
      ))}
    </div>
  </details>
)

const OTHER = "\u0000"

/** A listed model, or any path or Hub name on hosts that read local paths. */
export const ModelChoice = ({
  models,
  model,
  suits,
  change
}: {
  readonly models: ReadonlyArray<BaseModel>
  /** null: the recommended one */
  readonly model: string | null
  /** the recommended one */
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
          ...(about.abilities.includes("paths") ? [[OTHER, "Other …"] as const] : [])
        ]}
      >
        <option value="">{suiting === undefined ? "Recommended" : `Recommended: ${suiting}`}</option>
        {isListed ? null : <option value={model}>{model}</option>}
      </Select>
      {isOther ? (
        <SubmitForm
          class="row"
          submit={() => {
            setOther(false)
            change(typed.trim())
          }}
        >
          <TextField
            label={<span class="hidden">Folder, file or Hub name of the model</span>}
            spellcheck={false}
            placeholder="models/mine, or hf:owner/name"
            value={typed}
            set={setTyped}
          />
          <button type="submit" disabled={typed.trim() === ""}>
            Use this model
          </button>
        </SubmitForm>
      ) : null}
      <p class="help" id="model-help">
        {isOther
          ? "A Hugging Face folder, a model.json or .gguf file, or hf:owner/name, which is downloaded once."
          : "The base model. Its weights stay frozen; training adds an adapter."}
      </p>
    </div>
  )
}
