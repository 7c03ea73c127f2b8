"""Logits of GGUF files as llama.cpp computes them, with and without an adapter.

Reads a JSON list of cases {model, adapter?, scale?, ids, texts?} from stdin: GGUF files, the scale that the command line would give the
adapter, token ids of several texts, texts to be cut into tokens. Prints a JSON list of {logits [texts, tokens, vocabulary], encoded: ids
of each of `texts`}, or {error} where llama.cpp refuses the adapter. Keys and values are kept in float32 (llama.cpp's own default is
float16), attention is computed step by step.

Needs llama-cpp-python. Shares nothing with the package but the files it reads.
"""

import ctypes
import json
import sys

import llama_cpp as llama
import numpy as np

F32 = 0  # GGML_TYPE_F32
said = []


@llama.llama_log_callback
def listen(level, text, data):
    said.append(text.decode("utf-8", "replace"))


def context(model, length):
    parameters = llama.llama_context_default_params()
    parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = length
    parameters.n_threads = parameters.n_threads_batch = 1
    parameters.type_k = parameters.type_v = F32
    parameters.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
    return llama.llama_init_from_model(model, parameters)


def logits(model, adapter, scale, ids):
    ctx = context(model, max(32, len(ids)))
    if adapter is not None:
        adapters = (llama.llama_adapter_lora_p_ctypes * 1)(adapter)
        scales = (ctypes.c_float * 1)(scale)
        assert llama.llama_set_adapters_lora(ctx, adapters, 1, scales) == 0
    batch = llama.llama_batch_init(len(ids), 0, 1)
    batch.n_tokens = len(ids)
    for i, token in enumerate(ids):
        batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, i, 1, 1
        batch.seq_id[i][0] = 0
    assert llama.llama_decode(ctx, batch) == 0
    width = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    rows = [np.ctypeslib.as_array(llama.llama_get_logits_ith(ctx, i), (width,)).tolist() for i in range(len(ids))]
    llama.llama_batch_free(batch)
    llama.llama_free(ctx)
    return rows


def encoded(model, text):
    data = text.encode()
    found = (llama.llama_token * (len(data) + 8))()
    count = llama.llama_tokenize(llama.llama_model_get_vocab(model), data, len(data), found, len(found), False, True)
    return list(found[:count])


def answer(case):
    said.clear()
    parameters = llama.llama_model_default_params()
    parameters.n_gpu_layers = 0
    model = llama.llama_model_load_from_file(case["model"].encode(), parameters)
    if not model:
        raise SystemExit(f"{case['model']} cannot be loaded: {''.join(said)}")
    adapter = None
    try:
        if "adapter" in case:
            adapter = llama.llama_adapter_lora_init(model, case["adapter"].encode())
            if not adapter:
                return {"error": "".join(said)}
        rows = [logits(model, adapter, case.get("scale", 1), ids) for ids in case["ids"]]
        return {"logits": rows, "encoded": [encoded(model, text) for text in case.get("texts", [])]}
    finally:
        llama.llama_model_free(model)


if __name__ == "__main__":
    llama.llama_log_set(listen, None)
    llama.llama_backend_init()
    print(json.dumps([answer(case) for case in json.load(sys.stdin)]))
