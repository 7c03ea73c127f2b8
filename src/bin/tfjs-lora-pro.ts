#!/usr/bin/env bun
/** The executable. */
import { platform } from "../platform.ts"
import { main } from "./main.ts"

main(platform)
