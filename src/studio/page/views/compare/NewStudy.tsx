/** A new study: a plan, methods and seeds, with an estimate of its runs and its time. */

import { useEffect, useState } from "preact/hooks"
import { counted, roughDuration } from "../../../../boundary/index.ts"
import type { ComparablePlan, ComparedMethod, StudySize } from "../../../protocol/index.ts"
import type { HostError } from "../../host.ts"
import { Loading, Trouble } from "../../parts/asked.tsx"
import { Select } from "../../parts/fields.tsx"
import { addressOf, goTo } from "../../place.ts"
import { useCall, useStudio } from "../../use.ts"

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

const Count = ({
  label,
  help,
  value,
  most,
  set
}: {
  readonly label: string
  readonly help: string
  readonly value: number
  readonly most: number
  readonly set: (value: number) => void
}) => (
  <label>
    {label}
    <input
      type="number"
      min={1}
      max={most}
      value={value}
      onInput={({ currentTarget: { valueAsNumber } }) => {
        if (Number.isInteger(valueAsNumber) && valueAsNumber >= 1 && valueAsNumber <= most) set(valueAsNumber)
      }}
    />
    <span class="small quiet">{help}</span>
  </label>
)

interface FormProps {
  readonly plans: readonly [ComparablePlan, ...ReadonlyArray<ComparablePlan>]
  readonly methods: ReadonlyArray<ComparedMethod>
}

/** milliseconds without a change before the size is asked for */
const CALM = 300

const Form = ({ plans, methods }: FormProps) => {
  const { host } = useStudio()
  const [plan, setPlan] = useState(plans[0].id)
  const [ticked, setTicked] = useState<ReadonlySet<string>>(
    () => new Set(methods.filter(({ isUsual }) => isUsual).map(({ name }) => name))
  )
  const [seeds, setSeeds] = useState(2)
  const [freshSeeds, setFresh] = useState(5)
  const [workers, setWorkers] = useState(1)
  const [rates, setRates] = useState("")
  const [isStarting, setStarting] = useState(false)
  const [problem, setProblem] = useState<HostError | undefined>(undefined)

  const learningRates = rates.trim() === "" ? undefined : ratesIn(rates)
  const isWrong = rates.trim() !== "" && learningRates === undefined
  const chosen = methods.filter(({ name }) => ticked.has(name)).map(({ name }) => name)
  const question =
    isWrong || chosen.length === 0
      ? undefined
      : { plan, methods: chosen, seeds, freshSeeds, ...(learningRates === undefined ? {} : { learningRates }) }
  const key = JSON.stringify(question)
  const [calm, setCalm] = useState(key)
  useEffect(() => {
    const timer = setTimeout(() => setCalm(key), CALM)
    return () => clearTimeout(timer)
  }, [key])
  const size = useCall("sizeStudy", calm === key ? question : undefined)

  const tick = (name: string) =>
    setTicked((before) => {
      const after = new Set(before)
      if (!after.delete(name)) after.add(name)
      return after
    })
  const start = (event: Event) => {
    event.preventDefault()
    if (question === undefined) return
    setStarting(true)
    setProblem(undefined)
    host
      .call("startStudy", { ...question, workers })
      .then(
        ({ id }) => goTo("compare", id),
        (failed: HostError) => setProblem(failed)
      )
      .finally(() => setStarting(false))
  }
  return (
    <form class="card new-study" onSubmit={start}>
      <h2>New study</h2>
      <label>
        Plan
        <Select value={plan} choose={setPlan} options={plans.map(({ id, name }) => [id, name])} />
        <span class="small quiet">Model, rows, steps and batches are the same for every method.</span>
      </label>
      {[...Map.groupBy(methods, ({ group }) => group)].map(([group, some]) => (
        <fieldset key={group}>
          <legend>{group}</legend>
          <ul class="methods">
            {some.map(({ name, label, says }) => (
              <li key={name}>
                <label>
                  <input type="checkbox" checked={ticked.has(name)} onChange={() => tick(name)} />
                  {label}
                </label>
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
        <label>
          Learning rates
          <input
            value={rates}
            placeholder="1e-4, 1e-3"
            aria-invalid={isWrong}
            onInput={({ currentTarget }) => setRates(currentTarget.value)}
          />
          <span class="small quiet">
            {isWrong
              ? "Expected numbers above 0, separated by commas, such as 1e-3, 5e-3."
              : "For all methods; empty: the usual ones of each"}
          </span>
        </label>
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
        disabled={question === undefined || isStarting || size.problem !== undefined}
      >
        {isStarting ? "Starting …" : "Start the study"}
      </button>
    </form>
  )
}

export const NewStudy = () => {
  const plans = useCall("plans", {})
  const methods = useCall("methods", {})
  const problem = plans.problem ?? methods.problem
  if (problem !== undefined) return <Trouble problem={problem} again={plans.again} />
  if (plans.value === undefined || methods.value === undefined) return <Loading what="Plans" />
  const [first, ...more] = plans.value
  if (first === undefined)
    return (
      <div class="empty card">
        <p>A study needs a plan to train: that of a run, or a file in plans/. This folder has no plans yet.</p>
        <a class="button primary" href={addressOf("new")}>
          Start a run
        </a>
      </div>
    )
  return <Form plans={[first, ...more]} methods={methods.value} />
}
