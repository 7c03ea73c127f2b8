/** Who started a process, from environments as launchers leave them: Open MPI 5.0.7's and MPICH 4.2.1's as seen, Slurm's by its manual. */
import { expect, test } from "bun:test"
import { launched } from "../../../src/ranks/mpi/launch.ts"

const openMpi = {
  OMPI_COMM_WORLD_RANK: "2",
  OMPI_COMM_WORLD_SIZE: "4",
  OMPI_COMM_WORLD_LOCAL_SIZE: "2",
  OMPI_VERSION: "5.0.7",
  PMIX_RANK: "2",
  PMIX_NAMESPACE: "prterun-host-9817@1"
}
const mpich = { PMI_RANK: "0", PMI_SIZE: "2", PMI_FD: "9", MPI_LOCALNRANKS: "2", MPI_LOCALRANKID: "0" }
const allocation = { SLURM_JOB_ID: "7", SLURM_NTASKS: "8", SLURM_NPROCS: "8", SLURM_NNODES: "2" }
// a batch script is a process of the job's, and is told so in the words that a task is told in
const batch = { ...allocation, SLURM_PROCID: "0", SLURM_LOCALID: "0", SLURM_NODEID: "0", SLURM_TASKS_PER_NODE: "4(x2)" }
const srun = {
  ...allocation,
  SLURM_STEP_ID: "0",
  SLURM_STEP_NUM_TASKS: "8",
  SLURM_STEP_TASKS_PER_NODE: "3(x2),2",
  SLURM_PROCID: "6",
  SLURM_NODEID: "2"
}

test("mpirun and srun say which of the processes this is", () => {
  expect(launched(openMpi)).toMatchObject({ rank: 2, size: 4, localSize: 2, abi: "openmpi", untilKilled: 200 })
  expect(launched({ ...openMpi, OMPI_VERSION: undefined })).toMatchObject({ untilKilled: 1000 }) // Open MPI 4
  expect(launched(mpich)).toMatchObject({ rank: 0, size: 2, localSize: 2, abi: "mpich" })
  expect(launched({ PMI_ID: "1", PMI_PORT: "host:39815", MPI_LOCALNRANKS: "3" })).toMatchObject({
    rank: 1,
    size: undefined,
    localSize: 3,
    abi: "mpich"
  })
  expect(launched({ ...srun, SLURM_MPI_TYPE: "pmix" })).toMatchObject({
    rank: 6,
    size: 8,
    localSize: 2,
    abi: "openmpi"
  })
  expect(launched({ ...srun, SLURM_NODEID: "1", SLURM_MPI_TYPE: "cray_shasta" })).toMatchObject({
    localSize: 3,
    abi: "mpich"
  })
  expect(launched({ ...srun, SLURM_MPI_TYPE: "none" })).toMatchObject({ size: 8, abi: undefined })
})

test("a process that none of them started is alone", () => {
  expect(launched({})).toBeUndefined()
  expect(launched(allocation)).toBeUndefined()
  expect(launched(batch)).toBeUndefined()
  // as a batch script's step is numbered in some versions
  expect(launched({ ...batch, SLURM_STEP_ID: "4294967291", SLURM_STEP_NUM_TASKS: "8" })).toBeUndefined()
})

test("one of one is alone", () => {
  expect(launched({ ...openMpi, OMPI_COMM_WORLD_RANK: "0", OMPI_COMM_WORLD_SIZE: "1" })).toBeUndefined()
  expect(launched({ ...mpich, PMI_SIZE: "1" })).toBeUndefined()
  expect(
    launched({ ...srun, SLURM_STEP_NUM_TASKS: "1", SLURM_PROCID: "0", PMIX_RANK: "0", PMIX_NAMESPACE: "x" })
  ).toBeUndefined()
})

test("launchers within others: the one that is next to the process counts", () => {
  // mpirun in a batch script starts its daemons by srun
  expect(launched({ ...batch, ...srun, SLURM_STEP_NUM_TASKS: "2", SLURM_PROCID: "1", ...openMpi })).toMatchObject({
    rank: 2,
    size: 4
  })
  expect(launched({ ...batch, ...srun, SLURM_STEP_NUM_TASKS: "2", SLURM_PROCID: "1", ...mpich })).toMatchObject({
    rank: 0,
    size: 2
  })
  // srun with PMI-2: the library is not known from it
  expect(launched({ ...srun, SLURM_MPI_TYPE: "pmi2", PMI_RANK: "6", PMI_SIZE: "8", PMI_FD: "5" })).toMatchObject({
    by: "Slurm's srun",
    rank: 6
  })
})

test("a number that is none is as if it were not there", () => {
  for (const PMI_SIZE of ["", "-2", "two", "2.5", "12345678901"])
    expect([PMI_SIZE, launched({ ...mpich, PMI_SIZE })?.size]).toEqual([PMI_SIZE, undefined])
})
