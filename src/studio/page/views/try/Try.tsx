/** Try: inputs for a trained run, answered with its adapter and without. */
import type { Askable } from "../../../protocol/index.ts"
import { Pending } from "../../parts/loading.tsx"
import { RunChoice } from "../../parts/run-choice.tsx"
import type { ViewProps } from "../../place.ts"
import { useCall } from "../../use.ts"
import { AskRows } from "./AskRows.tsx"
import { Write } from "./Write.tsx"
import "./try.css"

const Asking = ({ id, askable }: { readonly id: string; readonly askable: Askable }) => {
  switch (askable.kind) {
    case "rows":
      return <AskRows id={id} fields={askable.fields} examples={askable.examples} />
    case "conversation":
      return <Write id={id} isConversation examples={askable.examples} exampleTools={askable.tools} />
    case "writing":
      return <Write id={id} isConversation={false} examples={askable.examples} />
    case "nothing":
      return <p>{askable.why}</p>
  }
}

const OneRun = ({ id }: { readonly id: string }) => {
  const call = useCall("askable", { id })
  if (call.value === undefined) return <Pending call={call} what="Loading the model" />
  return <Asking id={id} askable={call.value} />
}

export const Try = ({ path: [id] }: ViewProps) => (
  <RunChoice view="try" id={id}>
    {(chosen) => <OneRun key={chosen} id={chosen} />}
  </RunChoice>
)
