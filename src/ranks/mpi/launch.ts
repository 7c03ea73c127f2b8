/**
 * Detects from the environment whether `mpirun`, `srun` or the like started this process: they give each process its rank and their number.
 * Any other process runs alone.
 */

/** The two binary interfaces of MPI libraries; a program compiled against one can load all libraries that follow it. */
export type Abi = "openmpi" | "mpich"

export interface Launch {
  /** launcher, such as "Open MPI's mpirun" */
  readonly by: string
  readonly rank: number
  /** number of processes; undefined: the launcher reports it to the library only */
  readonly size: number | undefined
  /** number of processes on this machine */
  readonly localSize: number
  /** binary interface of the launcher's library; undefined: any that it is configured for */
  readonly abi: Abi | undefined
  /**
   * milliseconds between a signal that ends the run and the forced end, or a lower bound: within them
   * the ranks agree on their last step, and the first one saves
   */
  readonly untilKilled: number
  /** whether the launcher ends all processes when one fails, so that the library need not be asked to */
  readonly endsAll: boolean
}

type Environment = Readonly<Record<string, string | undefined>>

interface Launcher {
  readonly by: string
  readonly rank: string
  readonly size: string | undefined
  readonly localSize: (env: Environment) => number | undefined
  /** what else has to hold for its variables to mean this process */
  readonly holds: (env: Environment) => boolean
  readonly abi: (env: Environment) => Abi | undefined
  readonly untilKilled: (env: Environment) => number
  readonly endsAll?: true
}

const whole = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined

const SECOND = 1000

/** Slurm's KillWait is 30 s, as is the grace of a Kubernetes pod. */
const HALF_A_MINUTE = 30 * SECOND

/** Tasks of this node, from "4", "4(x2),3" or "2,2": the node's number among those of the step is in the environment too. */
const tasksHere = (perNode: string | undefined, node: string | undefined): number | undefined => {
  const all = (perNode ?? "").split(",").flatMap((part) => {
    const [, tasks, nodes = "1"] = /^(\d{1,6})(?:\(x(\d{1,6})\))?$/.exec(part) ?? []
    return tasks === undefined ? [] : [{ tasks: Number(tasks), nodes: Number(nodes) }]
  })
  let left = whole(node) ?? 0
  for (const { tasks, nodes } of all) {
    if (left < nodes) return tasks
    left -= nodes
  }
  return undefined
}

/** Slurm's number of a step that is none: the batch script, the shell of an allocation. */
const LEAST_SPECIAL_STEP = 0xffff_fff0

const launchers: ReadonlyArray<Launcher> = [
  {
    by: "Open MPI's mpirun",
    rank: "OMPI_COMM_WORLD_RANK",
    size: "OMPI_COMM_WORLD_SIZE",
    localSize: (env) => whole(env["OMPI_COMM_WORLD_LOCAL_SIZE"]),
    holds: () => true,
    abi: () => "openmpi",
    // from version 5 on, which names itself, it kills 0.2 s after SIGTERM; before, after a second
    untilKilled: (env) => (env["OMPI_VERSION"] === undefined ? SECOND : 0.2 * SECOND),
    endsAll: true
  },
  {
    by: "the mpirun of MPICH, Intel MPI or MVAPICH",
    rank: "PMI_RANK",
    size: "PMI_SIZE",
    localSize: (env) => whole(env["MPI_LOCALNRANKS"]),
    // Slurm sets the first two as well, for any library that speaks its PMI
    holds: (env) => env["MPI_LOCALNRANKS"] !== undefined || env["SLURM_STEP_ID"] === undefined,
    abi: () => "mpich",
    untilKilled: () => HALF_A_MINUTE
  },
  {
    by: "the mpirun of MPICH, Intel MPI or MVAPICH",
    rank: "PMI_ID", // with -pmi-port
    size: undefined,
    localSize: (env) => whole(env["MPI_LOCALNRANKS"]),
    holds: (env) => env["PMI_PORT"] !== undefined,
    abi: () => "mpich",
    untilKilled: () => HALF_A_MINUTE
  },
  {
    // SLURM_NTASKS and SLURM_PROCID are there in a batch script too, which is one process: the number of tasks of a step is not
    by: "Slurm's srun",
    rank: "SLURM_PROCID",
    size: "SLURM_STEP_NUM_TASKS",
    localSize: (env) => tasksHere(env["SLURM_STEP_TASKS_PER_NODE"], env["SLURM_NODEID"]),
    holds: (env) => (whole(env["SLURM_STEP_ID"]) ?? LEAST_SPECIAL_STEP) < LEAST_SPECIAL_STEP,
    abi: (env) => {
      const type = env["SLURM_MPI_TYPE"] ?? ""
      return type.startsWith("pmix") ? "openmpi" : type === "" || type === "none" ? undefined : "mpich"
    },
    untilKilled: () => HALF_A_MINUTE
  },
  {
    by: "a PMIx launcher",
    rank: "PMIX_RANK",
    size: undefined,
    localSize: () => undefined,
    holds: (env) => env["PMIX_NAMESPACE"] !== undefined,
    abi: () => "openmpi",
    untilKilled: () => SECOND
  }
]

/** Returns how this process was launched; undefined: it runs alone. `env`: default the process's environment. */
export const launched = (env: Environment = process.env): Launch | undefined => {
  for (const { by, rank, size, localSize, holds, abi, untilKilled, endsAll = false } of launchers) {
    const number = whole(env[rank])
    const all = size === undefined ? undefined : whole(env[size])
    if (number === undefined || (size !== undefined && all === undefined) || !holds(env)) continue
    return all === 1
      ? undefined
      : {
          by,
          rank: number,
          size: all,
          localSize: localSize(env) ?? 1,
          abi: abi(env),
          untilKilled: untilKilled(env),
          endsAll
        }
  }
  return undefined
}
