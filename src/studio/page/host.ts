/**
 * Whom the page talks to: a server on this machine, or a worker of the page itself. Views ask the host, and do not know which it is; what one
 * cannot do is not among its abilities (`About`).
 */
import type { CallName, Doing, Input, Output, Problem, WatchEvent, WatchInput, WatchName } from "../protocol/index.ts"

/** The failure of a call or a watch. */
export class HostError extends Error {
  readonly tag: string
  constructor({ tag, message }: Problem) {
    super(message)
    this.tag = tag
  }
}

/** Options of a call, in addition to its input. */
export interface Asking {
  /** cancels the call */
  readonly signal?: AbortSignal | undefined
  /** hears what the host does for the answer, where that takes long */
  readonly doing?: ((doing: Doing) => void) | undefined
}

export interface Watching<Name extends WatchName> extends Pick<Asking, "doing"> {
  readonly event: (event: WatchEvent<Name>) => void
  /** hears that the watch ended, with the problem if it failed */
  readonly end?: (problem?: HostError) => void
}

/** A file that was dropped or chosen, under the path that it has in its folder. */
export interface DroppedFile {
  readonly path: string
  readonly file: File
}

export interface Host {
  /** Rejects with a `HostError`. */
  readonly call: <Name extends CallName>(name: Name, input: Input<Name>, asking?: Asking) => Promise<Output<Name>>
  /** Events until the function that it gives is called. */
  readonly watch: <Name extends WatchName>(name: Name, input: WatchInput<Name>, watching: Watching<Name>) => () => void
  /** Takes files in, and gives what a plan names them by: a file, or the folder that they are in together. */
  readonly store: (files: ReadonlyArray<DroppedFile>, report: (share: number) => void) => Promise<string>
  /** The address of a file of a run, an export or a study, to be opened, shown or saved. `path`: as the host named it. */
  readonly urlOf: (id: string, path: string) => Promise<string>
  /** The address of a folder as one ZIP file; absent where the host makes none. `folder`: as the host named it. */
  readonly zipOf?: (folder: string) => Promise<string>
  /** Milliseconds for which such an address works at least; absent: until the page is closed. */
  readonly urlsLast?: number
}
