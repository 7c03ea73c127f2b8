/** Runs: a table on wide screens, cards on narrow ones, searched, filtered, sorted and grouped, and a comparison of those that are selected; or one run by itself. */
import type { ComponentChildren } from "preact"
import { useEffect, useMemo, useState } from "preact/hooks"
import { capital, counted, score } from "../../../../boundary/index.ts"
import type { RunSummary } from "../../../protocol/index.ts"
import { Check, Select } from "../../parts/fields.tsx"
import { Loading, Status, Trouble } from "../../parts/loading.tsx"
import { StartRun } from "../../parts/start-run.tsx"
import { StateBadge } from "../../parts/state-badge.tsx"
import { Scrolled } from "../../parts/table.tsx"
import { focusView, type ViewProps } from "../../place.ts"
import { type Action, useAction, useMedia, useRuns } from "../../use.ts"
import { CurvesOf } from "./CurvesOf.tsx"
import { Differences } from "./Differences.tsx"
import { OneRun } from "./OneRun.tsx"
import {
  type Column,
  chosen,
  columns,
  filters,
  grouped,
  hyperparameterNames,
  matching,
  type Order,
  sorted
} from "./order.ts"
import { Buttons, hyperparameter, NameOf, ProgressOf, when } from "./standing.tsx"
import "./runs.css"

/** What a list shows. */
interface Choice {
  readonly order: Order
  /** words to search for */
  readonly text: string
  /** the name of a filter */
  readonly filter: string
  /** a hyperparameter, or "" */
  readonly group: string
  /** hyperparameters with columns of their own */
  readonly extra: ReadonlyArray<string>
}

/** The selection and the list as they were, for whoever comes back from a run. */
let remembered: { readonly ticked: ReadonlySet<string>; readonly choice: Choice } = {
  ticked: new Set(),
  choice: {
    order: { by: "started", isDown: true },
    text: "",
    filter: filters[0]![0],
    group: "",
    extra: ["learning rate"]
  }
}

interface Shown {
  readonly groups: ReadonlyArray<readonly [name: string, runs: ReadonlyArray<RunSummary>]>
  readonly ticked: ReadonlySet<string>
  readonly tick: (id: string) => void
  readonly action: Action
  readonly removed: (run: RunSummary) => void
}

const Tick = ({ run, ticked, tick }: Pick<Shown, "ticked" | "tick"> & { readonly run: RunSummary }) => (
  <label class="tick">
    <input type="checkbox" checked={ticked.has(run.id)} onChange={() => tick(run.id)} />
    <span class="hidden">Curves of {run.name}</span>
  </label>
)

/** "test accuracy 88.3 %": the metric, and its value below. */
const Score = ({ of }: { readonly of: string | null }) => {
  const [, metric, value] = /^(.*?) ([-−\d].*)$/.exec(of ?? "") ?? []
  if (metric === undefined) return of ?? "–"
  return (
    <span class="score">
      <span class="quiet">{metric}</span> <span>{value}</span>
    </span>
  )
}

/** The column of a hyperparameter. */
const columnOf = (name: string, groups: Shown["groups"]): Omit<(typeof columns)[number], "keyOf"> => ({
  name,
  title: capital(name),
  ...(groups.some(([, runs]) => runs.some((run) => typeof run.hyperparameters[name] === "number"))
    ? { isNumber: true }
    : {})
})

const inTable = columns.filter(({ isWithName }) => isWithName !== true)

/** What the columns after the name have of a run; the others are hyperparameters. */
const cells: Readonly<Partial<Record<Column, (run: RunSummary) => ComponentChildren>>> = {
  state: ({ state, note }) => (
    <>
      <StateBadge state={state} />
      {note === null ? null : (
        <span class="clamped small quiet" title={note}>
          {note.split("\n")[0]}
        </span>
      )}
    </>
  ),
  progress: (run) => <ProgressOf summary={run} />,
  loss: ({ loss }) => score(loss),
  score: ({ score }) => <Score of={score} />,
  started: ({ startedAt }) => when(startedAt)
}

const Table = ({
  groups,
  extra,
  ticked,
  tick,
  action,
  removed,
  order,
  setOrder,
  isAll,
  tickAll
}: Shown & {
  readonly order: Order
  readonly extra: ReadonlyArray<string>
  readonly setOrder: (by: Column) => void
  /** every run of the list is selected */
  readonly isAll: boolean
  readonly tickAll: () => void
}) => {
  const extraColumns = extra.map((name) => columnOf(name, groups))
  return (
    <Scrolled label="Runs" class="card listed">
      <table class="runs">
        <thead>
          <tr>
            <th scope="col">
              <label class="tick">
                <input type="checkbox" checked={isAll} onChange={tickAll} />
                <span class="hidden">Curves of all runs</span>
              </label>
            </th>
            {[...inTable, ...extraColumns].map(({ name, title, isNumber }) => (
              <th
                key={name}
                scope="col"
                class={isNumber === true ? "number" : undefined}
                aria-sort={order.by === name ? (order.isDown ? "descending" : "ascending") : undefined}
              >
                <button type="button" class="plain" onClick={() => setOrder(name)}>
                  {title}
                  {order.by === name ? (
                    <span aria-hidden="true" class="arrow">
                      {order.isDown ? "↓" : "↑"}
                    </span>
                  ) : null}
                </button>
              </th>
            ))}
            <th scope="col">
              <span class="hidden">Actions</span>
            </th>
          </tr>
        </thead>
        {groups.map(([group, runs]) => (
          <tbody key={group}>
            {group === "" ? null : (
              <tr class="group">
                <th colSpan={inTable.length + extra.length + 2} scope="rowgroup">
                  {group} <span class="quiet small">{counted(runs.length, "run")}</span>
                </th>
              </tr>
            )}
            {runs.map((run) => (
              <tr key={run.id}>
                <td>
                  <Tick run={run} ticked={ticked} tick={tick} />
                </td>
                <th scope="row">
                  <NameOf run={run} />
                  <span class="says small quiet">{run.says}</span>
                </th>
                {[...inTable.slice(1), ...extraColumns].map(({ name, isNumber }) => (
                  <td key={name} class={isNumber === true ? "number" : undefined}>
                    {cells[name]?.(run) ?? hyperparameter(run.hyperparameters[name])}
                  </td>
                ))}
                <td>
                  <Buttons summary={run} action={action} removed={removed} />
                </td>
              </tr>
            ))}
          </tbody>
        ))}
      </table>
    </Scrolled>
  )
}

const Cards = ({ groups, ticked, tick, action, removed }: Shown) => (
  <>
    {groups.map(([group, runs]) => {
      const Heading = group === "" ? "h2" : "h3"
      return (
        <section key={group} aria-label={group === "" ? "Runs" : group}>
          {group === "" ? null : <h2>{group}</h2>}
          <ul class="cards">
            {runs.map((run) => (
              <li key={run.id} class="card">
                <div class="top">
                  <Heading>
                    <NameOf run={run} />
                  </Heading>
                  <Tick run={run} ticked={ticked} tick={tick} />
                </div>
                <p class="small quiet">{run.says}</p>
                <p>
                  <StateBadge state={run.state} />{" "}
                  {run.note === null ? null : <span class="small quiet">{run.note.split("\n")[0]}</span>}
                </p>
                <ProgressOf summary={run} />
                <p class="small">
                  {[run.score, run.loss === null ? null : `loss ${score(run.loss)}`, when(run.startedAt)]
                    .filter((text) => text !== null)
                    .join("\u00a0· ")}
                </p>
                <Buttons summary={run} action={action} removed={removed} />
              </li>
            ))}
          </ul>
        </section>
      )
    })}
  </>
)

interface ToolsProps {
  readonly runs: ReadonlyArray<RunSummary>
  readonly shownCount: number
  /** runs are cards, without columns */
  readonly isNarrow: boolean
  readonly choice: Choice
  readonly choose: (change: Partial<Choice>) => void
  readonly setOrder: (by: Column) => void
}

/** Search, filter, groups and columns of the list. */
const Tools = ({
  runs,
  shownCount,
  isNarrow,
  choice: { order, text, filter, group, extra },
  choose,
  setOrder
}: ToolsProps) => {
  const names = hyperparameterNames(runs)
  return (
    <search class="toolbar" aria-label="Runs">
      <label class="search">
        Search
        <input
          type="search"
          placeholder="Name, method, model, notes"
          value={text}
          onInput={({ currentTarget }) => choose({ text: currentTarget.value })}
        />
      </label>
      <label>
        Show
        <Select
          value={filter}
          choose={(filter) => choose({ filter })}
          options={filters.map(([name]) => [name, name])}
        />
      </label>
      <label>
        Group by
        <Select
          value={group}
          choose={(group) => choose({ group })}
          options={[["", "Nothing"], ...names.map((name) => [name, name] as const)]}
        />
      </label>
      {isNarrow ? (
        <label>
          Sort by
          <Select value={order.by} choose={setOrder} options={columns.map(({ name, title }) => [name, title])} />
        </label>
      ) : (
        <details class="columns">
          <summary class="button">Columns</summary>
          <div class="card">
            {names.map((name) => (
              <Check
                key={name}
                checked={extra.includes(name)}
                set={(isShown) =>
                  choose({ extra: names.filter((column) => (column === name ? isShown : extra.includes(column))) })
                }
              >
                {name}
              </Check>
            ))}
          </div>
        </details>
      )}
      <p class="small quiet" role="status">
        {shownCount === runs.length ? counted(shownCount, "run") : `${shownCount} of ${counted(runs.length, "run")}`}
      </p>
    </search>
  )
}

export const List = () => {
  const isNarrow = useMedia("(max-width: 62rem)")
  const { state: runs, problem } = useRuns()
  const [ticked, setTicked] = useState(remembered.ticked)
  const [choice, setChoice] = useState(remembered.choice)
  const action = useAction()
  const [announcement, say] = useState("")
  useEffect(() => {
    remembered = { ticked, choice }
  }, [ticked, choice])
  // a list that is sorted, or whose numbers move, draws no chart anew
  const drawn = runs?.filter(({ id }) => ticked.has(id)) ?? []
  const curves = useMemo(
    () => (drawn.length === 0 ? null : <CurvesOf runs={drawn} none={() => setTicked(new Set())} />),
    [drawn.map(({ id, name, state }) => [id, name, state].join("\n")).join("\n")]
  )
  if (runs === undefined) return problem === undefined ? <Loading what="Runs" /> : <Trouble problem={problem} />
  const status = <Status>{announcement}</Status>
  if (runs.length === 0)
    return (
      <>
        {status}
        <StartRun>
          No runs yet. A run trains an adapter for a base model on your rows. Its curves, results and files appear here.
        </StartRun>
      </>
    )
  const tick = (id: string) => setTicked((before) => before.symmetricDifference(new Set([id])))
  const choose = (change: Partial<Choice>) => setChoice((before) => ({ ...before, ...change }))
  const { order, text, filter, group, extra } = choice
  const listed = matching(runs, text, filter)
  const isAll = listed.every(({ id }) => ticked.has(id))
  const removed = ({ id, name }: RunSummary) => {
    // another run may have its name one day
    setTicked((before) => before.difference(new Set([id])))
    say(`${name} is removed`)
    focusView()
  }
  const listProps = { groups: grouped(sorted(listed, order), group), ticked, tick, action, removed }
  const setOrder = (by: Column) => choose({ order: chosen(order, by) })
  const isArchive = filter === "Archived"
  return (
    <>
      {status}
      <Trouble problem={problem ?? action.problem} />
      <Tools
        runs={runs}
        shownCount={listed.length}
        isNarrow={isNarrow}
        choice={choice}
        choose={choose}
        setOrder={setOrder}
      />
      {listed.length === 0 ? (
        <p class="empty card">No run matches. Change the search, or show other runs.</p>
      ) : isNarrow ? (
        <Cards {...listProps} />
      ) : (
        <Table
          {...listProps}
          order={order}
          setOrder={setOrder}
          extra={extra}
          isAll={isAll}
          tickAll={() => setTicked(new Set(isAll ? [] : listed.map(({ id }) => id)))}
        />
      )}
      <section aria-label="Comparison">
        <h2>Compare selected runs</h2>
        {curves ?? <p class="quiet">Select runs in the list to compare their curves, results and plans.</p>}
        {drawn.length < 2 ? null : <Differences runs={drawn} />}
        {drawn.length === 0 ? null : (
          <p>
            <button
              type="button"
              onClick={() => drawn.map(({ id }) => action.act("annotate", { id, archived: !isArchive }))}
            >
              {isArchive ? "Restore" : "Archive"} {counted(drawn.length, "run")}
            </button>
          </p>
        )}
      </section>
    </>
  )
}

export const Runs = ({ path: [id] }: ViewProps) => (id === undefined ? <List /> : <OneRun key={id} id={id} />)
