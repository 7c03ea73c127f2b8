/** A new study: a plan, methods and seeds, with an estimate of its runs and its time. */

import { useState } from "preact/hooks"
import { counted, roughDuration } from "../../../../boundary/index.ts"
import type { ComparablePlan, ComparedMethod, StudySize } from "../../../protocol/index.ts"
import { Check, Field, Select, SubmitForm, TextField } from "../../parts/fields.tsx"
import { Pending, Trouble } from "../../parts/loading.tsx"
import { StartRun } from "../../parts/start-run.tsx"
import { goTo } from "../../place.ts"
import { useAction, useCall, useSettled } from "../../use.ts"

const runs = (count: number): string => counted(count, "run")

const sizeText = ({ sweep, final, seconds }: StudySize, workers: number): string =>
  [
    sweep === 0
      ? `${runs(final)} on fresh seeds.`
      : `At most ${runs(sweep + final)}: ${sweep} to find the learning rate of each method, ${final} on fresh seeds.`,
    seconds === null
      ? "The time is unknown until a run of this plan has finished."
      : `About ${roughDuration(seconds / workers)}${workers === 1 ? "" : ` with ${workers} at a time`}, estimated from a run of this plan; other methods may take longer.`
  ].join(" ")

/** "1e-3, 0.01" → numbers; undefined: something else. */
const ratesIn = (text: string): ReadonlyArray<number> | undefined => {
  const rates = text
    .split(/[\s,;]+/)
    .filter((part) => part !== "")
    .map(Number)
  return rates.length > 0 && rates.every((rate) => Number.isFinite(rate) && rate > 0) ? rates : undefined
}

interface CountProps {
  readonly label: string
  readonly help: string
  readonly value: number
  readonly most: number
  readonly set: (value: number) => void
}

const Count = ({ value, most, set, ...field }: CountProps) => (
  <Field {...field}>
    {(marks) => (
      <input
        {...marks}
        type="number"
        min={1}
        max={most}
        value={value}
        onInput={({ currentTarget: { valueAsNumber: typed } }) => {
          if (Number.isInteger(typed) && typed >= 1 && typed <= most) set(typed)
        }}
      />
    )}
  </Field>
)

interface FormProps {
  readonly plans: readonly [ComparablePlan, ...ReadonlyArray<ComparablePlan>]
  readonly methods: ReadonlyArray<ComparedMethod>
}

const Form = ({ plans, methods }: FormProps) => {
  const [plan, setPlan] = useState(plans[0].id)
  const [ticked, setTicked] = useState<ReadonlySet<string>>(
    () => new Set(methods.filter(({ isUsual }) => isUsual).map(({ name }) => name))
  )
  const [seeds, setSeeds] = useState(2)
  const [freshSeeds, setFresh] = useState(5)
  const [workers, setWorkers] = useState(1)
  const [rates, setRates] = useState("")

  const learningRates = rates.trim() === "" ? undefined : ratesIn(rates)
  const isWrong = rates.trim() !== "" && learningRates === undefined
  const chosen = methods.filter(({ name }) => ticked.has(name)).map(({ name }) => name)
  const question =
    isWrong || chosen.length === 0
      ? undefined
      : { plan, methods: chosen, seeds, freshSeeds, ...(learningRates === undefined ? {} : { learningRates }) }
  // the same question is a new object in each rendering
  const asked = JSON.stringify(question)
  const isSettled = useSettled(asked) === asked
  const size = useCall("sizeStudy", isSettled ? question : undefined)
  const { busy, problem, act } = useAction()
  const start = () => {
    if (question !== undefined) act("startStudy", { ...question, workers }, ({ id }) => goTo("compare", id))
  }
  return (
    <SubmitForm class="card new-study" submit={start}>
      <h2>New study</h2>
      <Field label="Plan" help="Model, rows, steps and batches are the same for every method.">
        {(marks) => (
          <Select {...marks} value={plan} choose={setPlan} options={plans.map(({ id, name }) => [id, name])} />
        )}
      </Field>
      {[...Map.groupBy(methods, ({ group }) => group)].map(([group, some]) => (
        <fieldset key={group}>
          <legend>{group}</legend>
          <ul class="methods">
            {some.map(({ name, label, says }) => (
              <li key={name}>
                <Check
                  checked={ticked.has(name)}
                  set={() => setTicked((before) => before.symmetricDifference(new Set([name])))}
                >
                  {label}
                </Check>
                {says === "" ? null : <p class="help">{says}</p>}
              </li>
            ))}
          </ul>
        </fieldset>
      ))}
      <div class="counts">
        <Count label="Seeds in the sweep" help="Runs at each learning rate" value={seeds} most={100} set={setSeeds} />
        <Count
          label="Fresh seeds"
          help="Runs at the best rate, to compare methods"
          value={freshSeeds}
          most={100}
          set={setFresh}
        />
        <Count label="At a time" help="Runs that train in parallel" value={workers} most={64} set={setWorkers} />
        <TextField
          label="Learning rates"
          help={
            isWrong
              ? "Expected numbers above 0, separated by commas, such as 1e-3, 5e-3."
              : "For all methods; empty: the usual ones of each"
          }
          placeholder="1e-4, 1e-3"
          isWrong={isWrong}
          value={rates}
          set={setRates}
        />
      </div>
      <p role="status" class="size">
        {chosen.length === 0
          ? "Choose at least one method."
          : size.value === undefined
            ? "…"
            : sizeText(size.value, workers)}
      </p>
      <Trouble problem={size.problem ?? problem} />
      <button
        type="submit"
        class="primary"
        disabled={question === undefined || busy !== undefined || size.problem !== undefined}
      >
        {busy !== undefined ? "Starting …" : "Start the study"}
      </button>
    </SubmitForm>
  )
}

export const NewStudy = () => {
  const plans = useCall("plans", {})
  const methods = useCall("methods", {})
  if (plans.value === undefined || methods.value === undefined)
    return <Pending call={plans.problem === undefined ? methods : plans} what="Plans" />
  const [first, ...more] = plans.value
  if (first === undefined)
    return (
      <StartRun>
        A study needs a plan to train: that of a run, or a file in plans/. This folder has no plans yet.
      </StartRun>
    )
  return <Form plans={[first, ...more]} methods={methods.value} />
}
