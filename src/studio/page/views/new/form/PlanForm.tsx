/** The plan as a form. */
import type { PlanJson, PlanProblem } from "../../../../protocol/index.ts"
import { Form } from "./context.ts"
import { Fields } from "./Field.tsx"
import { planSchema, type Schema, shapeOf } from "./schema.ts"

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
