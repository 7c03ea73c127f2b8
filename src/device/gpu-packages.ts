/**
 * Packages that a GPU needs in Bun, Deno and Node. They are optional peer dependencies: `webgpu` alone has 138 MB, and most computers that
 * train small models do not need it.
 */
import { readdirSync } from "node:fs"
import { createRequire } from "node:module"
import process from "node:process"
import ownPackage from "../../package.json" with { type: "json" }
import { DeviceError } from "./device-error.ts"

const versions = ownPackage.peerDependencies

type GpuPackage = "webgpu" | "@tensorflow/tfjs-backend-webgpu"

const { resolve } = createRequire(import.meta.url)

const isInstalled = (name: GpuPackage): boolean => {
  try {
    resolve(`${name}/package.json`)
    return true
  } catch {
    return false
  }
}

const names = (folder: string): ReadonlyArray<string> => {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Checks whether the system seems to have a GPU: on Linux by the files of its driver. */
const seemsToHaveGpu = (): boolean =>
  process.platform === "linux"
    ? names("/dev/dri").some((name) => name.startsWith("renderD")) ||
      names("/dev").some((name) => /^nvidia\d|^dxg$/.test(name))
    : process.platform === "darwin" || process.platform === "win32"

/** Messages about packages that are not installed; both functions return undefined if all are installed. */
interface GpuPackages {
  /** Returns the error for opening a GPU. */
  readonly error: () => DeviceError | undefined
  /** Returns how to enable the GPU that this computer seems to have. */
  readonly notice: () => string | undefined
}

/** Creates the messages about `needed` packages. `install` returns the command that installs some of them. */
export const gpuPackages = (needed: ReadonlyArray<GpuPackage>, install: (packages: string) => string): GpuPackages => {
  const missing = () => needed.filter((name) => !isInstalled(name))
  const command = (packages: ReadonlyArray<GpuPackage>) =>
    install(packages.map((name) => `${name}@${versions[name]}`).join(" "))
  return {
    error: () => {
      const packages = missing()
      if (packages.length === 0) return undefined
      const reason = `${packages.join(" and ")} ${packages.length === 1 ? "is" : "are"} not installed`
      return new DeviceError({
        device: "webgpu",
        site: "opening",
        reason: seemsToHaveGpu() ? reason : `no GPU was found, and ${reason}`,
        remedy: command(packages)
      })
    },
    notice: () => {
      const packages = missing()
      return packages.length === 0 || !seemsToHaveGpu()
        ? undefined
        : `this computer seems to have a GPU; to train on it: ${command(packages)}`
    }
  }
}
