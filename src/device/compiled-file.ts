/** Verifies compiled kernels before they are opened: their bytes must be those that the build scripts wrote (`kernels/checksums.ts`). */
import { createHash } from "node:crypto"
import { fileURLToPath } from "node:url"
import { checksums } from "../kernels/wasm/index.ts"
import { DeviceError } from "./device-error.ts"

/** Returns `bytes`, the content of a compiled file. Throws a DeviceError if it was changed. */
export const checked = <Bytes extends Uint8Array>(device: string, url: URL, bytes: Bytes): Bytes => {
  const checksum = createHash("sha256").update(bytes).digest("hex")
  const expected = checksums[url.pathname.slice(url.pathname.lastIndexOf("/") + 1)]
  if (checksum === expected) return bytes
  const reason = `${fileURLToPath(url)} was changed after it was built: its SHA-256 is ${checksum}, expected ${expected}`
  throw new DeviceError({ device, site: "opening", reason, remedy: "install the package again" })
}
