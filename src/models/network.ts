/**
 * What can be adapted and trained: a frozen network whose linear layers are an argument. A text model (`Model`) is one, and so is a
 * `tf.LayersModel` (`src/layers-model/`); adapters, optimizers and training know no more of either than this.
 */
import type { Tensor1D } from "@tensorflow/tfjs"
import type { Linear, LinearSite, PackedMatrix, Weights } from "../tensors/index.ts"
import type { ParameterSpec, RunBlock } from "./model.ts"

/** Rows of a step, on the host. */
export interface Rows {
  readonly size: number
  /** what the speed of a step is counted in: tokens that are no padding, or rows */
  readonly tokens: number
  /** what the loss is the mean of, as a number: rows unless given. Batches that are accumulated count by it. */
  readonly counted?: number
}

/** A batch on the device; whoever asked for it disposes its tensors. */
export interface Fed<Input, Target> {
  readonly input: Input
  readonly target: Target
  /** [positions]: 1 where the input holds something, 0 where it is padding; absent: none of it is */
  readonly mask?: Tensor1D
}

export interface Network {
  readonly sites: ReadonlyArray<LinearSite>
  /** every frozen parameter the forward pass needs (the head's not included) */
  readonly parameters: ReadonlyArray<ParameterSpec>
  /** what is trained itself, with a learning rate of its own; its parameters are in `weights` too */
  readonly head: { readonly parameters: ReadonlyArray<ParameterSpec> }
  /** what stands before a name in the checkpoint's own class, e.g. "bert."; "" for none */
  readonly prefix: string
  /** parameters on the device, but for those in `packed` */
  readonly weights: Weights
  /** weights of linear layers that are held in fewer bits, by parameter name; absent: none */
  readonly packed?: ReadonlyMap<string, PackedMatrix> | undefined
  // methods, whose arguments a network may narrow to batches and inputs of its own
  /** A batch on the device. */
  feed(batch: Rows): Fed<unknown, unknown>
  /** Tensor code; `weights` must know the head's parameters; without `runBlock` each block runs once. */
  forward(input: unknown, linear: Linear, weights: Weights, runBlock?: RunBlock): unknown
}

export type BatchOf<M extends Network> = Parameters<M["feed"]>[0]
export type InputOf<M extends Network> = Parameters<M["forward"]>[0]
export type OutputOf<M extends Network> = ReturnType<M["forward"]>
export type TargetOf<M extends Network> = ReturnType<M["feed"]>["target"]

/** `model.feed`, with the types of this network. */
export const fedTo = <M extends Network>(model: M, batch: BatchOf<M>): Fed<InputOf<M>, TargetOf<M>> =>
  model.feed(batch) as Fed<InputOf<M>, TargetOf<M>>
