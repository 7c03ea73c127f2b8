"""Writes humaneval/wrong.jsonl: 40 solutions of HumanEval's problems, each wrong by one small change that CPython's own run of the tests finds.

Changes are those that programmers make: a comparison, an operator or a bound that is off, a case that is forgotten. Of each problem the first change
is taken whose program ends by itself; problems are spread over all 164.
"""
import json
import re
import subprocess
import sys
from pathlib import Path

folder = Path(__file__).parent.parent / "humaneval"
problems = [json.loads(line) for line in (folder / "HumanEval.jsonl").read_text().splitlines()]

CHANGES = [
    (r" <= ", " < "), (r" >= ", " > "), (r" < ", " <= "), (r" > ", " >= "), (r" == ", " != "), (r" \+ ", " - "), (r" - 1", ""),
    (r" \* ", " + "), (r"\bTrue\b", "False"), (r"\band\b", "or"), (r"\bmax\(", "min("), (r"sorted\(", "list("), (r"\+ 1", "+ 2"),
    (r"\[::-1\]", ""), (r"len\(", "1 + len("), (r"\b0\b", "1"), (r"\b2\b", "3"),
]


def verdict(problem, completion):
    program = f"{problem['prompt']}{completion}\n{problem['test']}\ncheck({problem['entry_point']})\n"
    try:
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=10)
    except subprocess.TimeoutExpired:
        return "timeout"
    return None if ended.returncode == 0 else ended.stderr.strip().splitlines()[-1].split(":")[0]


def wrong(problem, turn):
    solution = problem["canonical_solution"]
    for pattern, by in CHANGES[turn:] + CHANGES[:turn]:
        changed = re.sub(pattern, by, solution, count=1)
        if changed != solution and verdict(problem, changed) == "AssertionError":
            return changed
    return None


rows = []
for i, problem in enumerate(problems):
    if i % 4 == 0 and len(rows) < 40:
        for near in problems[i : i + 4]:
            completion = wrong(near, len(rows) % len(CHANGES))
            if completion is not None:
                rows.append({"task_id": near["task_id"], "completion": completion})
                break
assert len(rows) == 40, len(rows)
assert all(verdict(problem, problem["canonical_solution"]) is None for problem in problems)
(folder / "wrong.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
