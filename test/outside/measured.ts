/**
 * Runs a command and prints what it said and took as JSON. A process of its own, and a small one: a process begins with the memory of the
 * one that starts it, and keeps that as its peak.
 */
export {}

const child = Bun.spawn(process.argv.slice(2), { stdin: "ignore", stdout: "pipe", stderr: "pipe", timeout: 120_000 })
const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
const code = await child.exited
const { maxRSS, cpuTime } = child.resourceUsage()!
console.log(JSON.stringify({ code, stdout, stderr, megabytes: maxRSS / 1e6, seconds: Number(cpuTime.total) / 1e6 }))
