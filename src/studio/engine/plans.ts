/** Plans: their JSON Schema, one that fits rows and a model, what is wrong with one, and what one would train. */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import { type PlanProblem, type RunPlan, runPlanJsonSchema } from "../../../schemas/index.ts"
import { stemOf } from "../../data/index.ts"
import { Device } from "../../device/device.ts"
import { kindOf, kinds, planFacts, resolvePlan } from "../../kinds/index.ts"
import { machineMemory, planFromValue } from "../../plan/index.ts"
import {
  type Columns,
  columnDescriptions,
  columnNames,
  detect,
  type Looked,
  type NamedSources,
  namedModel,
  namedPlan,
  severalColumns,
  suggest,
  timeIn
} from "../../suggest/index.ts"
import type { Checked, ColumnRole, DetectedRows, PlanJson, SuggestedPlan } from "../protocol/index.ts"
import { ComesWith, type EngineNeeds, type Handlers, type Reported } from "./handlers.ts"
import { withoutFlags } from "./without-flags.ts"

/** The roles of all formats that a model can be trained on, in the order in which they are shown. */
export const rolesOf = (model: string) =>
  Effect.gen(function* () {
    const named = yield* namedModel(model)
    const all = yield* Effect.all(kinds)
    const fitting = all.filter(({ detecting }) => detecting.takes(named))
    // where no kind takes it, the first says what is wrong with it
    const readable = new Set((fitting.length === 0 ? all.slice(0, 1) : fitting).flatMap(columnsOfKind))
    return columnNames
      .filter((name) => readable.has(name))
      .map(
        (name): ColumnRole => ({
          name,
          says: columnDescriptions[name],
          isSeveral: severalColumns.includes(name)
        })
      )
  })

const columnsOfKind = ({ detecting }: { readonly detecting: { readonly columns: object } }): ReadonlyArray<string> =>
  Object.values(detecting.columns).flat()

/** The plan's name in messages. */
const NAME = "plan"

/** A name for a run over these rows: that of their file, or of its folder where that is called as any data set's is. */
export const nameOfRun = (path: Path.Path, train: string): string => {
  const stem = stemOf(path.basename(train))
  const name = /^(train|training|data|rows)$/i.test(stem) ? path.basename(path.dirname(path.resolve(train))) : stem
  const plain = name
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
  return plain.slice(0, 40) || "run"
}

/** What the plan reads from each column that its format has a role for; its defaults are the schema's. */
const columnsRead = (plan: RunPlan): Effect.Effect<SuggestedPlan["columns"]> =>
  Effect.map(kindOf(plan), ({ detecting }) => {
    const data: Readonly<Record<string, unknown>> = plan.data
    const roles = detecting.columns[plan.data.format] ?? []
    return Object.fromEntries(
      roles.map((role) => {
        const column = data[role]
        return [role, Array.isArray(column) ? column.join(",") : typeof column === "string" ? column : null]
      })
    )
  })

const inPicture = (error: Reported): Reported => ({ _tag: error._tag, message: withoutFlags(error.message) })

const detected = (request: Looked) =>
  Effect.gen(function* () {
    const { models } = yield* ComesWith
    const { learnables, clear, notes } = yield* detect(kinds, { ...request, models })
    return {
      learnables: learnables.map(({ choices: _, model, ...shown }) => ({
        ...shown,
        model: "source" in model ? model.source : null,
        needs: "needs" in model ? withoutFlags(model.needs) : null
      })),
      clear,
      notes: notes.map(withoutFlags)
    } satisfies DetectedRows
  }).pipe(Effect.mapError(inPicture))

const suggestion = (sources: NamedSources) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const here = path.resolve(".")
    const plan = yield* namedPlan(kinds, sources, here)
    const { backend } = yield* Device
    const suggestion = yield* suggest(yield* kindOf(plan), plan, here, { device: backend })
    return {
      name: nameOfRun(path, sources.data),
      plan: suggestion.plan as unknown as PlanJson,
      columns: yield* columnsRead(suggestion.resolved.plan),
      reasons: suggestion.choices,
      time: timeIn(suggestion.choices) ?? null,
      warnings: suggestion.warnings.map(withoutFlags)
    } satisfies SuggestedPlan
  }).pipe(Effect.scoped, Effect.mapError(inPicture))

const sections = "model|data|loss|adapter|optimizer|training|output|seed"
// "adapter.targets.0: …", "data.labels has …"; a section's name alone may begin any sentence
const pathInside = new RegExp(`^((?:${sections})(?:(?:\\.[\\w-]+)+(?=[:,; ])|(?=:)))(?::\\s*)?`)

/** Locates a message about a plan and its files at the field that it names. */
const placed =
  (plan: RunPlan) =>
  (message: string): PlanProblem => {
    const inside = pathInside.exec(message)
    if (inside !== null) {
      const isAlone = message[inside[1]!.length] === ":"
      return { path: inside[1]!, message: isAlone ? message.slice(inside[0].length) : message }
    }
    // a column that the rows lack
    const role = /: no (\w+) field "/.exec(message)?.[1]
    if (role !== undefined && Object.hasOwn(plan.data, role)) return { path: `data.${role}`, message }
    const { train, validation, test } = plan.data
    const inputs = {
      "model.source": plan.model.source,
      "data.train": train,
      "data.validation": validation,
      "data.test": test
    }
    const about = Object.entries(inputs).find(
      ([, input]) => typeof input === "string" && message.includes(input.slice(input.lastIndexOf("/") + 1))
    )
    return { path: about?.[0] ?? "", message }
  }

const checked = (value: PlanJson) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const plan = yield* planFromValue(value, path.resolve("."))
    const kind = yield* kindOf(plan)
    return yield* resolvePlan(kind, plan, NAME).pipe(
      Effect.map((resolved): Checked => {
        const { steps, warnings } = resolved
        const { available } = machineMemory()
        const memory = { bytes: resolved.memory.total, free: Number.isFinite(available) ? available : null }
        return { ok: true, steps, memory, facts: planFacts(kind, resolved), warnings: warnings.map(withoutFlags) }
      }),
      Effect.catchTag("ResolveError", ({ problems }) =>
        Effect.succeed<Checked>({ ok: false, problems: problems.map(withoutFlags).map(placed(plan)) })
      )
    )
  }).pipe(
    Effect.catchTag("PlanError", ({ problems }) => Effect.succeed<Checked>({ ok: false, problems })),
    Effect.scoped
  )

export const planHandlers: Partial<Handlers<EngineNeeds>> = {
  calls: {
    schema: () => Effect.sync(() => runPlanJsonSchema()),
    roles: ({ model }) => rolesOf(model),
    detect: ({ model, train, columns = {}, ...dialect }) =>
      detected({ model, data: train, columns: columns as Columns, dialect }),
    suggest: ({ model, train, format, validation, test, columns = {}, ...dialect }) =>
      suggestion({
        model,
        data: train,
        format,
        ...(validation === undefined ? {} : { validation }),
        ...(test === undefined ? {} : { test }),
        columns: columns as Columns,
        dialect
      }),
    check: ({ plan }) => checked(plan)
  }
}
