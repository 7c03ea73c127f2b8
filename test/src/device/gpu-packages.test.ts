/** What is said of the packages of a GPU: nothing where they are installed, else the command that installs them. */
import { expect, test } from "bun:test"
import { gpuPackages } from "../../../src/device/gpu-packages.ts"

const add = (packages: string) => `bun add ${packages}`

test("installed packages need no message", () => {
  const { error, notice } = gpuPackages(["webgpu", "@tensorflow/tfjs-backend-webgpu"], add)
  expect([error(), notice()]).toEqual([undefined, undefined])
})

test("only the missing ones are in the reason and the command", () => {
  const { error, notice } = gpuPackages(["webgpu", "not-installed" as "webgpu"], add)
  expect(error()?.reason).toMatch(/^(no GPU was found, and )?not-installed is not installed$/)
  expect(error()?.remedy).toMatch(/^bun add not-installed@\w+$/)
  // on a computer without a GPU there is nothing to install
  const sentence = `this computer seems to have a GPU; to train on it: ${error()?.remedy}`
  expect(notice()).toBe(error()?.reason.startsWith("no GPU") ? undefined : sentence)
})
