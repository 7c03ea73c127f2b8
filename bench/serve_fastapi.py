"""The default run's model behind FastAPI and uvicorn, as `serve` answers POST /predict: what bench/serve.bench.ts compares with.

    python bench/serve_fastapi.py MERGED MAX_LENGTH PORT alone|batched

MERGED: the folder that `merge` writes: an encoder for transformers, and head.safetensors over the mean of its tokens. "alone": each request by
itself, in FastAPI's pool of threads, as its tutorial has it. "batched": rows that arrive within 3 ms or while the model computes are one batch
of 32 at most. One process; torch has all cores.

Needs torch, transformers, safetensors, fastapi, uvicorn. Shares nothing with the package but the files it reads.
"""

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from safetensors import safe_open
from transformers import AutoModel, AutoTokenizer

folder, max_length, port, way = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
model = AutoModel.from_pretrained(folder).eval()
tokenizer = AutoTokenizer.from_pretrained(folder)
with safe_open(Path(folder) / "head.safetensors", "pt") as file:
    head = {name: file.get_tensor(name) for name in ("weight", "bias")}
    # the merged encoder's config.json has none: its class has no head
    names = json.loads(file.metadata()["labels"])


@torch.inference_mode()
def answers(texts):
    batch = tokenizer(
        texts, padding=True, truncation=True, max_length=max_length, return_tensors="pt", return_token_type_ids=False
    )
    hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1).float()
    logits = (hidden * mask).sum(1) / mask.sum(1) @ head["weight"].T + head["bias"]
    rows = zip(texts, logits.softmax(1).tolist(), logits.tolist())
    return [
        {
            "text": text,
            "label": names[max(range(len(own)), key=own.__getitem__)],
            "probabilities": dict(zip(names, probabilities)),
            "logits": dict(zip(names, own)),
        }
        for text, probabilities, own in rows
    ]


class Body(BaseModel):
    inputs: str


waiting = []
came = asyncio.Event()


async def work():
    while True:
        await came.wait()
        if len(waiting) < 32:
            await asyncio.sleep(0.003)
        some = waiting[:32]
        del waiting[:32]
        if not waiting:
            came.clear()
        found = await asyncio.to_thread(answers, [text for text, _ in some])
        for (_, future), answer in zip(some, found):
            if not future.done():
                future.set_result(answer)


@asynccontextmanager
async def lifespan(_):
    task = asyncio.create_task(work())
    yield
    task.cancel()


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health():
    return {"status": "ready"}


if way == "alone":

    @app.post("/predict")
    def predict(body: Body):
        return {"predictions": answers([body.inputs])}

else:
    @app.post("/predict")
    async def predict(body: Body):
        future = asyncio.get_running_loop().create_future()
        waiting.append((body.inputs, future))
        came.set()
        return {"predictions": [await future]}


uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False, timeout_keep_alive=75)
