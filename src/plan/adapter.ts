/**
 * Applies a plan's adapter section to a model: the sites it selects, the trainable parameters and the number of steps; and injects the section
 * into the loaded model, at the sites and with the options from `resolve`.
 */
import type * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import {
  type Adapted,
  adapterSize,
  type Calibrate,
  type Calibration,
  fullest,
  type InitError,
  InjectionError,
  injectSelected,
  methodOf,
  type Selected,
  type SiteRanks,
  select,
  selectionOf,
  withRanks
} from "../../adapters/index.ts"
import type { RunPlan } from "../../schemas/index.ts"
import type { Network } from "../models/index.ts"
import type { DeviceReadError } from "../tensors/index.ts"
import { probedProblems } from "../training/index.ts"
import type { TrainableCounts } from "./memory.ts"
import type { Adaptable, ResolvedPlan, SiteOptions } from "./resolved.ts"

/** Selects the sites of the plan's adapter, with its options at each. Fails with all problems of the selection. */
export const selectSites = (plan: RunPlan, model: Adaptable) => {
  const { options, selection } = selectionOf(plan.adapter)
  const selected = select(model, methodOf(plan.adapter), options, selection)
  return Result.flatMap(selected, (selectedSites) =>
    withProbedSites(plan, model, selectedSites as Selected<SiteOptions>)
  )
}

/** Checks that every pattern of sites to probe matches an adapted site. */
const withProbedSites = (
  { training: { diagnostics } }: RunPlan,
  { prefix }: Adaptable,
  selected: Selected<SiteOptions>
): Result.Result<Selected<SiteOptions>, InjectionError> => {
  const adapted = selected.sites.map(({ site }) => site)
  const problems = probedProblems(adapted, prefix, diagnostics?.sites ?? "all", "training.diagnostics.sites")
  return problems.length === 0 ? Result.succeed(selected) : Result.fail(new InjectionError({ problems }))
}

/** Returns the number of optimization steps, at least 1. `batches`: micro-batches per epoch. */
export const stepsOf = ({ training }: RunPlan, batches: number): number => {
  if (training.steps !== undefined) return training.steps
  return Math.max(1, Math.round((training.epochs! * batches) / training.accumulate))
}

const product = (shape: ReadonlyArray<number>): number => shape.reduce((size, dimension) => size * dimension, 1)

/** Counts the trainable and frozen parameters; the maximum, if the initialization will determine ranks. */
export const countTrainable = (
  { adapter }: RunPlan,
  model: Adaptable,
  selected: Selected<SiteOptions>
): TrainableCounts => {
  const { parameters } = selected
  const sizes = new Map(model.parameters.map(({ name, shape }) => [name, product(shape)]))
  const method = methodOf(adapter)
  const { factors, dense: denseParameters } = adapterSize(method, fullest(method, selected))
  const saved = parameters.reduce((sum, name) => sum + sizes.get(name)!, 0)
  const head = model.head.parameters.reduce((sum, { shape }) => sum + product(shape), 0)
  const dense = denseParameters + saved + head
  const frozen = [...sizes.values()].reduce((sum, size) => sum + size, 0)
  return { factors, dense, total: factors + dense, frozen }
}

/** Returns a resolved plan with the ranks that the initialization determined; unchanged if it determines none. */
export const withDecided = <Resolved extends ResolvedPlan>(
  resolved: Resolved,
  { selected }: Pick<Adapted<Network>, "selected">
): Resolved => {
  if (selected.ranks === undefined || resolved.selected.ranks !== undefined) return resolved
  const decided = selected as Selected<SiteOptions>
  return { ...resolved, selected: decided, trainable: countTrainable(resolved.plan, resolved.model, decided) }
}

/** Returns a plan with the ranks in a record, for parameters that will be restored (`injectToRestore`). */
export const withRecorded = <Own extends SelectedPlan>(
  described: Own,
  ranks: SiteRanks | undefined
): Result.Result<Own, InjectionError> =>
  Result.map(withRanks(methodOf(described.plan.adapter), described.selected, ranks), (selected) => ({
    ...described,
    selected: selected as Selected<SiteOptions>
  }))

type SelectedPlan = Pick<ResolvedPlan, "plan" | "selected">

/** Returns the training data that the plan's initialization requires; undefined: none. */
export const calibrationOfPlan = ({ plan, selected }: SelectedPlan): Calibration | undefined => {
  const first = selected.sites[0]
  return first === undefined ? undefined : methodOf(plan.adapter).calibration?.(first.options)
}

/** Injects the adapter: the model at step 0. `calibrate`: computes statistics of training data, for initializations that need calibration. */
export const injectPlan = <M extends Network>(
  model: M,
  { plan, selected }: SelectedPlan,
  calibrate: Calibrate
): Effect.Effect<Adapted<M>, InitError | DeviceReadError, Scope.Scope> =>
  injectSelected(model, methodOf(plan.adapter), selected, plan.seed, calibrate)

/** Injects the adapter for trained parameters that will be restored: skips initializations whose values would be replaced. */
export const injectToRestore = <M extends Network>(
  model: M,
  { plan, selected }: SelectedPlan
): Effect.Effect<Adapted<M>, InitError | DeviceReadError, Scope.Scope> =>
  injectSelected(model, methodOf(plan.adapter), selected, plan.seed, undefined, true)
