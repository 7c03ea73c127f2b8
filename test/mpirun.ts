/**
 * MPI's launchers, as this machine has them: Debian names them by their library, where both are installed. What is missing is announced;
 * REQUIRE_MPI=1 makes that a failure.
 */

export interface Mpirun {
  readonly name: "Open MPI" | "MPICH"
  readonly command: string
}

const all: ReadonlyArray<Mpirun> = [
  { name: "Open MPI", command: "mpirun.openmpi" },
  { name: "MPICH", command: "mpirun.mpich" }
]

export const mpiruns: ReadonlyArray<Mpirun> = all.filter(({ name, command }) => {
  if (Bun.which(command) !== null) return true
  const missing = `${command} is not installed`
  if (process.env["REQUIRE_MPI"] === "1") throw new Error(`${missing}, but REQUIRE_MPI=1`)
  console.warn(
    `${missing}: the tests of runs in several processes by ${name} are skipped (REQUIRE_MPI=1 makes that a failure)`
  )
  return false
})

/**
 * What Open MPI needs to start more processes than there are cores, as root, and without words about the network. Its launcher
 * tells a process of the others by memory that must lie at one address in all, where Deno's engine now and then has something: by messages instead.
 */
export const mpiEnvironment: Readonly<Record<string, string>> = {
  OMPI_ALLOW_RUN_AS_ROOT: "1",
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1",
  OMPI_MCA_btl: "self,sm",
  PMIX_MCA_gds: "hash",
  PRTE_MCA_rmaps_default_mapping_policy: ":oversubscribe",
  NO_COLOR: "1"
}
