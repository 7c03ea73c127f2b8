/** A form for any value of a JSON Schema: fields of objects, and the input that a field's shape asks for. */

import { useRef, useState } from "preact/hooks"
import { isRecord } from "../../../../../boundary/index.ts"
import type { PlanJson, PlanProblem } from "../../../../protocol/index.ts"
import { Select } from "../../../parts/fields.tsx"
import {
  BooleanInput,
  ChoiceInput,
  Form,
  type InputProps,
  idOf,
  JsonInput,
  LinesInput,
  useForm,
  useProblems,
  WordInput
} from "./inputs.tsx"
import {
  defaultOf,
  descriptionOf,
  labelOf,
  moved,
  planSchema,
  type Schema,
  type Shape,
  shapeOf,
  type Variant
} from "./schema.ts"

type Values = Readonly<Record<string, unknown>>

const without = (values: Values, key: string): Values =>
  Object.fromEntries(Object.entries(values).filter(([name]) => name !== key))

const Wrong = ({ id, messages }: { readonly id: string; readonly messages: ReadonlyArray<string> }) =>
  messages.length === 0 ? null : (
    <p class="wrong-value" id={`${id}-wrong`}>
      {messages.join("\n")}
    </p>
  )

interface FieldProps {
  readonly name: string
  readonly path: string
  readonly schema: Schema
  readonly value: unknown
  readonly isRequired: boolean
  readonly change: (value: unknown) => void
  /** takes the field out of the form; absent: it has to be there */
  readonly remove?: (() => void) | undefined
}

const isGroup = ({ kind }: Shape): boolean => kind === "object" || kind === "variants" || kind === "objects"

const Remove = ({ label, remove }: { readonly label: string; readonly remove: (() => void) | undefined }) =>
  remove === undefined ? null : (
    <button type="button" class="plain remove" aria-label={`Remove ${label.toLowerCase()}`} onClick={remove}>
      Remove
    </button>
  )

const Field = (props: FieldProps) => {
  const { root } = useForm()
  const shape = shapeOf(props.schema, root)
  return isGroup(shape) ? <Group {...props} shape={shape} /> : <Single {...props} shape={shape} />
}

/** A value of one input. */
const Single = ({
  name,
  path,
  schema,
  value,
  isRequired,
  change,
  remove,
  shape
}: FieldProps & { readonly shape: Shape }) => {
  const { root } = useForm()
  const id = idOf(path)
  const label = labelOf(name)
  const messages = useProblems(path, true)
  const inputProps = { id, path, value, change, fallback: defaultOf(schema, root) }
  return (
    <div class="field">
      <div class="field-head">
        <label for={shape.kind === "tuple" ? `${id}.0` : id}>{label}</label>
        <Remove label={label} remove={remove} />
      </div>
      <Input {...inputProps} shape={shape} isRequired={isRequired} />
      <Wrong id={id} messages={messages} />
      <p class="help" id={`${id}-help`}>
        {descriptionOf(schema, root)}
      </p>
    </div>
  )
}

interface ShapedInput extends InputProps {
  readonly shape: Shape
  readonly isRequired: boolean
}

const Input = ({ shape, isRequired, ...inputProps }: ShapedInput) => {
  if (shape.kind === "word") return <WordInput {...inputProps} shape={shape} />
  if (shape.kind === "choice") return <ChoiceInput {...inputProps} values={shape.values} isRequired={isRequired} />
  if (shape.kind === "boolean") return <BooleanInput {...inputProps} />
  if (shape.kind === "lines") return <LinesInput {...inputProps} shape={shape} />
  if (shape.kind === "tuple") return <TupleInput {...inputProps} items={shape.items} />
  return <JsonInput {...inputProps} />
}

/** Several values in a fixed order. */
const TupleInput = ({
  id,
  path,
  value,
  fallback,
  change,
  items
}: InputProps & { readonly items: ReadonlyArray<Schema> }) => {
  const { root } = useForm()
  const values: ReadonlyArray<unknown> = Array.isArray(value) ? value : []
  const usual: ReadonlyArray<unknown> = Array.isArray(fallback) ? fallback : []
  const setItem = (at: number, entry: unknown) => {
    const next = items.map((_, i) => (i === at ? entry : values[i]))
    change(next.every((entry) => entry === undefined) ? undefined : next.map((entry, i) => entry ?? usual[i] ?? null))
  }
  return (
    <div class="tuple">
      {items.map((item, at) => {
        const shape = shapeOf(item, root)
        if (shape.kind !== "word") return null
        return (
          <div key={`${id}.${at}`}>
            <WordInput
              id={`${id}.${at}`}
              path={`${path}.${at}`}
              value={values[at]}
              fallback={usual[at]}
              change={(entry) => setItem(at, entry)}
              shape={shape}
            />
            <label class="help" for={`${id}.${at}`} id={`${id}.${at}-help`}>
              {descriptionOf(item, root)}
            </label>
          </div>
        )
      })}
    </div>
  )
}

/** A value with fields of its own. */
const Group = ({ name, path, schema, value, change, remove, shape }: FieldProps & { readonly shape: Shape }) => {
  const { root } = useForm()
  const id = idOf(path)
  const label = labelOf(name)
  const messages = useProblems(path)
  return (
    <fieldset class="group" id={id} tabIndex={-1}>
      <legend>{label}</legend>
      <div class="field-head">
        <p class="help">{descriptionOf(schema, root)}</p>
        <Remove label={label} remove={remove} />
      </div>
      <Wrong id={id} messages={messages} />
      {shape.kind === "objects" ? (
        <Objects path={path} name={label} item={shape.item} value={value} change={change} />
      ) : shape.kind === "variants" ? (
        <Variants path={path} shape={shape} value={isRecord(value) ? value : {}} change={change} />
      ) : shape.kind === "object" ? (
        <Fields path={path} name={label} shape={shape} value={isRecord(value) ? value : {}} change={change} />
      ) : null}
    </fieldset>
  )
}

type ObjectShape = Extract<Shape, { kind: "object" }>

interface ValuesProps {
  readonly path: string
  readonly value: Values
  readonly change: (value: unknown) => void
}

const under = (path: string, key: string): string => (path === "" ? key : `${path}.${key}`)

/** The fields that are set or have to be, and a way to add the others. `omitted`: a key that is edited elsewhere. */
const Fields = ({
  path,
  name,
  shape: { fields, required },
  value,
  change,
  omitted
}: ValuesProps & { readonly name: string; readonly shape: ObjectShape; readonly omitted?: string }) => {
  const { root } = useForm()
  const [added, setAdded] = useState<ReadonlyArray<string>>([])
  const container = useRef<HTMLDivElement>(null)
  const all = Object.keys(fields).filter((key) => key !== omitted && !key.startsWith("$"))
  const isShown = (key: string) => Object.hasOwn(value, key) || required.includes(key) || added.includes(key)
  const unknown = Object.keys(value).filter((key) => !Object.hasOwn(fields, key))
  const add = (key: string) => {
    setAdded([...added, key])
    const shape = shapeOf(fields[key]!, root)
    // a group exists once it is added; its initial value is its default
    if (isGroup(shape)) change({ ...value, [key]: defaultOf(fields[key]!, root) ?? beginning(shape) })
    requestAnimationFrame(() => document.getElementById(idOf(under(path, key)))?.focus())
  }
  const remove = (key: string) => {
    setAdded(added.filter((field) => field !== key))
    change(without(value, key))
    container.current?.querySelector<HTMLElement>(":scope > .add select")?.focus()
  }
  const setField = (key: string, next: unknown) =>
    change(next === undefined ? without(value, key) : { ...value, [key]: next })
  const addable = all.filter((key) => !isShown(key))
  return (
    <div class="fields" ref={container}>
      {all.filter(isShown).map((key) => (
        <Field
          key={key}
          name={key}
          path={under(path, key)}
          schema={fields[key]!}
          value={value[key]}
          isRequired={required.includes(key)}
          change={(next) => {
            // an input that was emptied stays where it is
            if (next === undefined && !added.includes(key)) setAdded([...added, key])
            setField(key, next)
          }}
          remove={required.includes(key) ? undefined : () => remove(key)}
        />
      ))}
      {unknown.map((key) => (
        <Unknown key={key} path={under(path, key)} name={key} remove={() => remove(key)} />
      ))}
      {addable.length === 0 ? null : <Add name={name} keys={addable} add={add} />}
    </div>
  )
}

/** A list of what may be added, and a button: arrow keys go through a closed list without taking what they pass. */
const Add = ({
  name,
  keys,
  add
}: {
  readonly name: string
  readonly keys: ReadonlyArray<string>
  readonly add: (key: string) => void
}) => {
  const [picked, setPicked] = useState("")
  const key = keys.includes(picked) ? picked : ""
  return (
    <div class="add">
      <Select
        aria-label={`Add a field to ${name.toLowerCase()}`}
        value={key}
        choose={setPicked}
        options={keys.map((key) => [key, labelOf(key)])}
      >
        <option value="">Add a field …</option>
      </Select>
      <button
        type="button"
        disabled={key === ""}
        aria-label={`Add it to ${name.toLowerCase()}`}
        onClick={() => add(key)}
      >
        Add
      </button>
    </div>
  )
}

const beginning = (shape: Shape): unknown => {
  if (shape.kind === "objects") return []
  return shape.kind === "variants" ? { [shape.key]: shape.variants[0]!.value } : {}
}

/** A key that the schema does not have. */
const Unknown = ({
  path,
  name,
  remove
}: {
  readonly path: string
  readonly name: string
  readonly remove: () => void
}) => (
  <div class="field" id={idOf(path)} tabIndex={-1}>
    <div class="field-head">
      <strong>{name}</strong>
      <Remove label={name} remove={remove} />
    </div>
    <Wrong id={idOf(path)} messages={useProblems(path, true)} />
  </div>
)

/** Objects of several kinds: which, and then its fields. */
const Variants = ({
  path,
  shape: { key, variants },
  value,
  change
}: ValuesProps & { readonly shape: Extract<Shape, { kind: "variants" }> }) => {
  const { root } = useForm()
  const here = under(path, key)
  const id = idOf(here)
  const messages = useProblems(here)
  const chosen = variants.find((variant) => variant.value === value[key])
  const inner = chosen && shapeOf(chosen.schema, root)
  const title = ({ value: tag, schema }: Variant): string => {
    const titled = schema["title"]
    return typeof titled === "string" && titled.toLowerCase().replace(/[^a-z]/g, "") === tag.replace(/[^a-z]/g, "")
      ? titled
      : tag
  }
  return (
    <>
      <div class="field">
        <label for={id}>{labelOf(key)}</label>
        <Select
          id={id}
          aria-describedby={`${id}-help`}
          aria-invalid={messages.length > 0 ? true : undefined}
          value={chosen?.value ?? ""}
          choose={(tag) => {
            const next = variants.find((variant) => variant.value === tag)
            if (next !== undefined) change(moved(value, key, next))
          }}
          options={variants.map((variant) => [variant.value, title(variant)])}
        >
          {chosen === undefined ? <option value="">Choose one</option> : null}
        </Select>
        <Wrong id={id} messages={messages} />
        <p class="help" id={`${id}-help`}>
          {chosen === undefined ? "" : descriptionOf(chosen.schema, root)}
        </p>
      </div>
      {chosen !== undefined && inner?.kind === "object" ? (
        <Fields
          key={chosen.value}
          path={path}
          name={chosen.value}
          shape={inner}
          value={value}
          change={change}
          omitted={key}
        />
      ) : null}
    </>
  )
}

/** A list of objects. */
const Objects = ({
  path,
  name,
  item,
  value,
  change
}: {
  readonly path: string
  readonly name: string
  readonly item: Schema
  readonly value: unknown
  readonly change: (value: unknown) => void
}) => {
  const { root } = useForm()
  const entries: ReadonlyArray<unknown> = Array.isArray(value) ? value : []
  const shape = shapeOf(item, root)
  return (
    <div class="fields">
      {entries.map((entry, at) => (
        <Field
          // entries have no names of their own
          key={`${path}.${at}`}
          name={`${at + 1}`}
          path={`${path}.${at}`}
          schema={item}
          value={entry}
          isRequired
          change={(next) => change(entries.map((entry, i) => (i === at ? next : entry)))}
          remove={() => change(entries.filter((_, i) => i !== at))}
        />
      ))}
      <button type="button" onClick={() => change([...entries, beginning(shape)])}>
        Add to {name.toLowerCase()}
      </button>
    </div>
  )
}

/** The plan as a form. */
interface PlanFormProps {
  /** the JSON Schema of plans */
  readonly root: Schema
  readonly plan: PlanJson
  readonly problems: ReadonlyArray<PlanProblem>
  readonly change: (plan: PlanJson) => void
}

export const PlanForm = ({ root, plan, problems, change }: PlanFormProps) => {
  const shape = shapeOf(planSchema(root, plan), root)
  if (shape.kind !== "object") return null
  return (
    <Form.Provider value={{ root, problems }}>
      <div class="plan-form">
        <Fields path="" name="the plan" shape={shape} value={plan} change={(next) => change(next as PlanJson)} />
      </div>
    </Form.Provider>
  )
}
