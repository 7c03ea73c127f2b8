/** An editor of the plan, as a form or as JSON. Both edit one value. */

import { useEffect, useState } from "preact/hooks"
import { isRecord } from "../../../../boundary/index.ts"
import type { PlanJson, PlanProblem } from "../../../protocol/index.ts"
import { Radios } from "../../parts/fields.tsx"
import { Pending } from "../../parts/loading.tsx"
import { useCall } from "../../use.ts"
import { JsonEditor } from "./editor/JsonEditor.tsx"
import { PlanForm } from "./form/Field.tsx"
import { idOf } from "./form/inputs.tsx"
import type { Schema } from "./form/schema.ts"

/** A field of the plan to focus. */
export interface Wanted {
  readonly path: string
}

interface EditProps {
  readonly plan: PlanJson
  /** as typed; null: formatted from `plan` */
  readonly text: string | null
  readonly problems: ReadonlyArray<PlanProblem>
  readonly target: Wanted | null
  /** the field has the focus */
  readonly led: () => void
  readonly change: (plan: PlanJson, text: string | null) => void
  /** called with text that is not valid JSON: the plan is unchanged */
  readonly broken: (text: string) => void
}

const views = ["Form", "JSON"] as const

export const planIn = (text: string): PlanJson | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Puts the focus on the field of a path, or on the nearest one that it is in. */
const lead = (path: string): void => {
  const parts = path.split(".")
  for (let length = parts.length; length > 0; length--) {
    const element = document.getElementById(idOf(parts.slice(0, length).join(".")))
    if (element === null) continue
    element.focus()
    element.scrollIntoView({ block: "center" })
    return
  }
}

export const Edit = ({ plan, text, problems, target, led, change, broken }: EditProps) => {
  const call = useCall("schema", {})
  const { value: schema } = call
  const [view, setView] = useState<(typeof views)[number]>("Form")
  const isBroken = text !== null && planIn(text) === undefined
  useEffect(() => {
    if (target === null || schema === undefined || view !== "Form") return
    lead(target.path)
    led()
  }, [target, schema])
  if (schema === undefined) return <Pending call={call} what="Loading the form" />
  return (
    <>
      <Radios label="Editor" options={views.map((name) => [name, name])} value={view} choose={setView} />
      {view === "Form" ? (
        <>
          {isBroken ? (
            <p class="wrong-value">
              The text is not valid JSON. The form shows the last valid plan, and a change here replaces the text.
            </p>
          ) : null}
          <PlanForm root={schema as Schema} plan={plan} problems={problems} change={(next) => change(next, null)} />
        </>
      ) : (
        <JsonEditor
          schema={schema}
          text={text ?? JSON.stringify(plan, null, 2)}
          problems={problems}
          target={target}
          led={led}
          change={(next) => {
            const parsed = planIn(next)
            if (parsed === undefined) broken(next)
            else change(parsed, next)
          }}
        />
      )}
    </>
  )
}
