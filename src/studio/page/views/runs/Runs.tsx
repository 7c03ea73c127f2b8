/** Runs: a table of all on wide screens, cards on narrow ones, with the curves of those that are ticked over each other; or one run by itself. */
import { useEffect, useMemo, useState } from "preact/hooks"
import type { RunSummary } from "../../../protocol/index.ts"
import { Loading, Trouble } from "../../parts/asked.tsx"
import { Select } from "../../parts/fields.tsx"
import { StateOf } from "../../parts/one.tsx"
import { Scrolled } from "../../parts/table.tsx"
import { addressOf, focusView, type ViewProps } from "../../place.ts"
import { useMedia, useWatch } from "../../use.ts"
import { CurvesOf } from "./CurvesOf.tsx"
import { OneRun } from "./OneRun.tsx"
import { type Column, chosen, columns, type Order, sorted } from "./order.ts"
import { Buttons, type Doing, loss, ProgressOf, Removal, useDoing, when } from "./standing.tsx"
import "./runs.css"

/** What was ticked, and the order, for whoever comes back from a run. */
let remembered: { ticked: ReadonlySet<string>; order: Order } = {
  ticked: new Set(),
  order: { by: "started", isDown: true }
}

interface Shown {
  readonly runs: ReadonlyArray<RunSummary>
  readonly ticked: ReadonlySet<string>
  readonly tick: (id: string) => void
  readonly doing: Doing
}

const NameOf = ({ run }: { readonly run: RunSummary }) => <a href={addressOf("runs", run.id)}>{run.name}</a>

const Tick = ({ run, ticked, tick }: Pick<Shown, "ticked" | "tick"> & { readonly run: RunSummary }) => (
  <label class="tick">
    <input type="checkbox" checked={ticked.has(run.id)} onChange={() => tick(run.id)} />
    <span class="hidden">Curves of {run.name}</span>
  </label>
)

const inTable = columns.filter(({ isWithName }) => isWithName !== true)

const Table = ({
  runs,
  ticked,
  tick,
  doing,
  order,
  setOrder,
  tickAll
}: Shown & {
  readonly order: Order
  readonly setOrder: (by: Column) => void
  readonly tickAll: () => void
}) => (
  <Scrolled label="Runs">
    <table class="runs">
      <thead>
        <tr>
          <th scope="col">
            <label class="tick">
              <input
                type="checkbox"
                checked={runs.length > 0 && runs.every(({ id }) => ticked.has(id))}
                onChange={tickAll}
              />
              <span class="hidden">Curves of all runs</span>
            </label>
          </th>
          {inTable.map(({ name, title, isNumber }) => (
            <th
              key={name}
              scope="col"
              class={isNumber === true ? "number" : undefined}
              aria-sort={order.by === name ? (order.isDown ? "descending" : "ascending") : undefined}
            >
              <button type="button" class="plain" onClick={() => setOrder(name)}>
                {title}
                <span aria-hidden="true" class="arrow">
                  {order.by === name ? (order.isDown ? "↓" : "↑") : ""}
                </span>
              </button>
            </th>
          ))}
          <th scope="col">
            <span class="hidden">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {runs.map((run) => (
          <tr key={run.id}>
            <td>
              <Tick run={run} ticked={ticked} tick={tick} />
            </td>
            <th scope="row">
              <NameOf run={run} />
              <span class="says small quiet">{run.says}</span>
            </th>
            <td>
              <StateOf state={run.state} />
              {run.note === null ? null : <span class="note small quiet">{run.note.split("\n")[0]}</span>}
            </td>
            <td>
              <ProgressOf summary={run} />
            </td>
            <td class="number">{loss(run.loss)}</td>
            <td>{run.score ?? "–"}</td>
            <td>{when(run.startedAt)}</td>
            <td>
              <Buttons summary={run} doing={doing} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  </Scrolled>
)

const Cards = ({
  runs,
  ticked,
  tick,
  doing,
  order,
  setOrder
}: Shown & { readonly order: Order; readonly setOrder: (by: Column) => void }) => (
  <>
    <label class="sort">
      Sorted by
      <Select
        value={order.by}
        choose={(by) => setOrder(by as Column)}
        options={columns.map(({ name, title }) => [name, title])}
      />
    </label>
    <ul class="cards">
      {runs.map((run) => (
        <li key={run.id} class="card">
          <div class="top">
            <h2>
              <NameOf run={run} />
            </h2>
            <Tick run={run} ticked={ticked} tick={tick} />
          </div>
          <p class="small quiet">{run.says}</p>
          <p>
            <StateOf state={run.state} />{" "}
            {run.note === null ? null : <span class="small quiet">{run.note.split("\n")[0]}</span>}
          </p>
          <ProgressOf summary={run} />
          <p class="small">
            loss {loss(run.loss)}
            {run.score === null ? "" : ` · ${run.score}`} · {when(run.startedAt)}
          </p>
          <Buttons summary={run} doing={doing} />
        </li>
      ))}
    </ul>
  </>
)

const Empty = () => (
  <div class="empty card">
    <p>No run is here yet. A run takes a model and your rows, and shows how it learns while it learns.</p>
    <a class="button primary" href={addressOf("new")}>
      Begin a run
    </a>
  </div>
)

export const List = () => {
  const isNarrow = useMedia("(max-width: 62rem)")
  const { state: runs, problem } = useWatch<"runs", ReadonlyArray<RunSummary> | undefined>(
    "runs",
    {},
    undefined,
    (_, all) => all
  )
  const [ticked, setTicked] = useState(remembered.ticked)
  const [order, setOrder] = useState(remembered.order)
  const doing = useDoing()
  const [said, say] = useState("")
  useEffect(() => {
    remembered = { ticked, order }
  }, [ticked, order])
  // a list that is sorted, or whose numbers move, draws no chart anew
  const drawn = runs?.filter(({ id }) => ticked.has(id)) ?? []
  const curves = useMemo(
    () => (drawn.length === 0 ? null : <CurvesOf runs={drawn} none={() => setTicked(new Set())} />),
    [drawn.map(({ id, name, state }) => [id, name, state].join("\n")).join("\n")]
  )
  if (runs === undefined) return problem === undefined ? <Loading what="Runs" /> : <Trouble problem={problem} />
  const status = (
    <p class="hidden" role="status">
      {said}
    </p>
  )
  if (runs.length === 0)
    return (
      <>
        {status}
        <Empty />
      </>
    )
  const tick = (id: string) =>
    setTicked((before) => {
      const after = new Set(before)
      if (!after.delete(id)) after.add(id)
      return after
    })
  const isAll = runs.every(({ id }) => ticked.has(id))
  const shown = {
    runs: sorted(runs, order),
    ticked,
    tick,
    doing,
    order,
    setOrder: (by: Column) => setOrder(chosen(order, by))
  }
  return (
    <>
      {status}
      <Trouble problem={problem ?? doing.problem} />
      <Removal
        doing={doing}
        removed={({ id, name }) => {
          // another run may have its name one day
          setTicked((before) => new Set([...before].filter((one) => one !== id)))
          say(`${name} is removed`)
          focusView()
        }}
      />
      {isNarrow ? (
        <Cards {...shown} />
      ) : (
        <Table {...shown} tickAll={() => setTicked(new Set(isAll ? [] : runs.map(({ id }) => id)))} />
      )}
      <section aria-label="Curves">
        <h2>Curves over each other</h2>
        {curves ?? <p class="quiet">Tick runs in the list to see how they learned, one over the other.</p>}
      </section>
    </>
  )
}

export const Runs = ({ place: [id] }: ViewProps) => (id === undefined ? <List /> : <OneRun key={id} id={id} />)
