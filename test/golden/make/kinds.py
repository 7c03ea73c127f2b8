"""What whole plans of every kind come to: losses of a few steps, scores, baselines, thresholds and answers, as PyTorch, transformers,
scikit-learn and scipy compute them from the same rows. Every plan trains a layer of a golden model whole (and a head that starts at 0) on
batches of all rows by plain gradient descent, which shows the scale of a loss, so nothing of it is drawn at random.

Run in this folder with torch, transformers, scikit-learn, scipy, seqeval and Pillow (made with 2.13.0, 5.24.0, 1.9.1, 1.17.1, 1.2.2, 12.0.0); needs the
tokenizers, photos and the network of ../compatibility-kinds: python kinds.py
"""
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import stats
from seqeval import metrics as seqeval
from seqeval.metrics.sequence_labeling import get_entities
from sklearn import dummy, metrics, preprocessing
from tokenizers import Tokenizer
from transformers import BertModel, LlamaForCausalLM, T5ForConditionalGeneration, ViTModel

FOLDER = Path(__file__).parent.parent
GIVEN = FOLDER / "compatibility-kinds"
STEPS, RATE = 3, 0.3
SPLITS = {"train": (16, 0), "validation": (7, 16), "test": (6, 23)}
QUALITIES = {"bad": ["bad", "dull", "weak"], "fair": ["fair", "plain", "mild"], "good": ["good", "great", "fine"]}
LABELS, SUBJECTS = list(QUALITIES), ["film", "plot", "cast", "music"]
COLOURS = {"grass": "green", "snow": "white", "coal": "black", "blood": "red", "sky": "blue", "sun": "yellow"}


# rows

def text_of(i):
    word = QUALITIES[LABELS[i % 3]][(i // 2) % 3]
    return f"the {SUBJECTS[i % 4]} {'was' if i % 2 else 'is'} {'very ' if i % 5 == 0 else ''}{word}"


def tagged(i):
    """A view is one word or two, and every fifth text has two of them."""
    words = text_of(i).split() + (["and", "very", LABELS[i % 3]] if i % 5 == 2 else [])
    labels = []
    for word in words:
        before = labels[-1] if labels else "O"
        view = word == "very" or any(word in own for own in QUALITIES.values())
        labels.append("B-part" if word in SUBJECTS else "O" if not view else "I-view" if before == "B-view" else "B-view")
    return {"tokens": words, "labels": labels}


def asked(i):
    thing, colour = list(COLOURS.items())[i % 6]
    answer = f" the {thing} {'was' if i % 2 else 'is'} {colour} ."
    return f"what colour is the {thing} ?", answer, answer.replace(colour, list(COLOURS.values())[(i + 1) % 6])


ROWS = {
    # of 16 rows in train 6 are good, 5 fair and 5 bad; in validation and test others are as frequent
    "reviews": lambda i: {"text": text_of(i), "label": LABELS[(i + 2) % 3]},
    # as many of one class as of the other: the first is the baseline
    "halves": lambda i: {"text": text_of(i), "label": ["same", "other"][i % 2]},
    "scored": lambda i: {"text": text_of(i), "stars": 1 + 2 * (i % 3) + ((i * 7) % 10) / 10, "words": 40 + 3 * (i % 4) - i % 5},
    # exactly half of the rows in train have praise, and half have craft: the baseline gives both
    "topics": lambda i: {"text": text_of(i), "labels": (["praise"] if i % 2 else []) + (["craft"] if i % 4 in (1, 2) else [])},
    # no label that half of the rows have: the most frequent one is the baseline
    "tagged": lambda i: tagged(i),
    "seldom": lambda i: {"text": text_of(i), "labels": (["praise"] if i % 3 == 1 else []) + (["craft"] if i % 4 == 2 else [])},
    "related": lambda i: {"anchor": text_of(i), "positive": f"{text_of(i + 3)} and {SUBJECTS[(i * 3) % 4]}"},
    "alike": lambda i: {"text": text_of(i), "textPair": text_of(i + 1 + i % 2), "score": (i * 5 % 7) / 7},
    "texts": lambda i: {"text": text_of(i)},
    "chats": lambda i: {"messages": [{"role": "user", "content": asked(i)[0]}, {"role": "assistant", "content": asked(i)[1].strip()}]},
    "answers": lambda i: {"prompt": asked(i)[0], "completion": asked(i)[1]},
    "better": lambda i: {"prompt": asked(i)[0], "chosen": asked(i)[1], "rejected": asked(i)[2]},
    "written": lambda i: {"source": text_of(i), "target": "very bad" if i % 3 == 0 else "good"},
}
rows = {name: {split: [row(offset + i) for i in range(count)] for split, (count, offset) in SPLITS.items()} for name, row in ROWS.items()}


def files(name):
    return {split: f"rows/{name}-{split}.jsonl" for split in SPLITS}


# models

def batched(sequences, pad=0):
    """Sequences of numbers as [rows, longest], and 1 where there is one."""
    longest = max(len(own) for own in sequences)
    return (torch.tensor([list(own) + [pad] * (longest - len(own)) for own in sequences]),
            torch.tensor([[1] * len(own) + [0] * (longest - len(own)) for own in sequences]))


def tokens(name):
    return Tokenizer.from_file(str(GIVEN / name / "tokenizer.json"))


class Trained:
    """The model of a plan with method "full" on one layer, and a head that starts at 0 if it has outputs."""

    def __init__(self, model, layer, outputs=0, width=32):
        self.model = model.eval()
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        own = model.get_submodule(layer)
        self.parameters = [parameter.requires_grad_(True) for parameter in own.parameters()]
        if outputs > 0:
            self.weight, self.bias = torch.zeros(outputs, width, requires_grad=True), torch.zeros(outputs, requires_grad=True)
            self.parameters += [self.weight, self.bias]

    def head(self, pooled):
        return pooled @ self.weight.T + self.bias

    def train(self, loss_of, steps=STEPS, rate=RATE):
        optimizer = torch.optim.SGD(self.parameters, lr=rate)
        losses = []
        for _ in range(steps):
            optimizer.zero_grad()
            loss = loss_of()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses


ENCODER = "encoder.layer.0.attention.self.query"


def bert(name, outputs=0):
    return Trained(BertModel.from_pretrained(FOLDER / "models" / name, dtype=torch.float32), ENCODER, outputs)


def pooled(trained, name, texts):
    """[rows, width]: the mean of the last hidden states over the tokens."""
    ids, mask = batched([tokens(name).encode(text).ids for text in texts])
    hidden = trained.model(input_ids=ids, attention_mask=mask).last_hidden_state
    return (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)


def column(name, split, field):
    return [row[field] for row in rows[name][split]]


# plans

def plan(model, data, layer, loss=None):
    return {
        "seed": 1, "model": model, "data": data, **({} if loss is None else {"loss": loss}),
        "adapter": {"method": "full", "targets": [layer]},
        "optimizer": {"kind": "sgd", "learningRate": RATE},
        "training": {"steps": STEPS, "batchSize": 16, "evaluateEvery": "never"},
        "output": {"keep": "last"},
    }


def headed(kind, name, **more):
    model = {"source": "bert", "task": {"kind": kind, "pooling": "mean", "headInit": "zeros"}}
    return plan(model, {"format": kind, **files(name), "maxLength": 16, **more}, ENCODER)


def class_scores(logits, right):
    predicted, z = logits.argmax(1), torch.tensor(logits)
    labels = list(range(logits.shape[1]))
    return {"accuracy": metrics.accuracy_score(right, predicted),
            "macroF1": metrics.f1_score(right, predicted, labels=labels, average="macro", zero_division=0),
            "loss": torch.nn.functional.cross_entropy(z, torch.tensor(right)).item()}


def majority(learned, right, classes):
    """DummyClassifier: its strategy "prior" has the frequencies of the training rows as probabilities."""
    prior = dummy.DummyClassifier(strategy="prior").fit([[0]] * len(learned), learned)
    given = [[0]] * len(right)
    labels = list(range(classes))
    return {"accuracy": metrics.accuracy_score(right, prior.predict(given)),
            "macroF1": metrics.f1_score(right, prior.predict(given), labels=labels, average="macro", zero_division=0),
            "loss": metrics.log_loss(right, prior.predict_proba(given), labels=labels)}


def classification(name, loss=None):
    names = sorted(set(column(name, "train", "label")))
    y = {split: [names.index(label) for label in column(name, split, "label")] for split in SPLITS}
    trained = bert("bert", len(names))
    logits = lambda split: trained.head(pooled(trained, "bert", column(name, split, "text")))
    options = {}
    if loss is not None:
        counts = np.bincount(y["train"])
        weight = torch.tensor(len(y["train"]) / (len(names) * counts), dtype=torch.float32)
        options = {"weight": weight, "label_smoothing": loss["labelSmoothing"]}
    losses = trained.train(lambda: torch.nn.functional.cross_entropy(logits("train"), torch.tensor(y["train"]), **options))
    with torch.no_grad():
        said = {split: logits(split).numpy() for split in ("validation", "test")}
    own = headed("classification", name)
    return {
        "plan": own if loss is None else {**own, "loss": loss}, "losses": losses,
        "scores": {split: class_scores(said[split], y[split]) for split in said},
        "baseline": {split: majority(y["train"], y[split], len(names)) for split in said},
        "answers": [{"label": names[row.argmax()], "logits": dict(zip(names, row.tolist()))} for row in said["test"]],
    }


def number_scores(predicted, right, deviation):
    each = range(right.shape[1])
    correlation = lambda of: float(np.mean([of(predicted[:, i], right[:, i])[0] for i in each]))
    return {"mae": metrics.mean_absolute_error(right, predicted), "mse": metrics.mean_squared_error(right, predicted),
            "r2": metrics.r2_score(right, predicted), "pearson": correlation(stats.pearsonr), "spearman": correlation(stats.spearmanr),
            "loss": metrics.mean_squared_error(right / deviation, predicted / deviation)}


def regression():
    targets = ["stars", "words"]
    y = {split: np.array([[row[target] for target in targets] for row in rows["scored"][split]]) for split in SPLITS}
    scaler = preprocessing.StandardScaler().fit(y["train"])
    trained = bert("bert", 2)
    logits = lambda split: trained.head(pooled(trained, "bert", column("scored", split, "text")))
    standardised = torch.tensor(scaler.transform(y["train"]), dtype=torch.float32)
    losses = trained.train(lambda: torch.nn.functional.mse_loss(logits("train"), standardised))
    with torch.no_grad():
        said = {split: scaler.inverse_transform(logits(split).double().numpy()) for split in ("validation", "test")}
    mean = dummy.DummyRegressor(strategy="mean").fit([[0]] * 16, y["train"])
    always = {split: mean.predict([[0]] * len(y[split])) for split in said}
    without = ("pearson", "spearman")  # of a constant there are none
    constant = lambda split: {"mae": metrics.mean_absolute_error(y[split], always[split]), "mse": metrics.mean_squared_error(y[split], always[split]),
                              "r2": metrics.r2_score(y[split], always[split]),
                              "loss": metrics.mean_squared_error(y[split] / scaler.scale_, always[split] / scaler.scale_)}
    return {
        "plan": headed("regression", "scored", target=targets), "losses": losses,
        "scores": {split: number_scores(said[split], y[split], scaler.scale_) for split in said},
        "baseline": {split: constant(split) for split in said},
        "answers": [{"values": dict(zip(targets, row))} for row in said["test"].tolist()],
    }


def multi_label(name):
    names = sorted({label for own in column(name, "train", "labels") for label in own})
    binary = preprocessing.MultiLabelBinarizer(classes=names)
    y = {split: binary.fit_transform(column(name, split, "labels")) for split in SPLITS}
    trained = bert("bert", len(names))
    logits = lambda split: trained.head(pooled(trained, "bert", column(name, split, "text")))
    bce = lambda z, right: torch.nn.functional.binary_cross_entropy_with_logits(z, torch.tensor(right, dtype=torch.float32))
    losses = trained.train(lambda: bce(logits("train"), y["train"]))
    with torch.no_grad():
        said = {split: logits(split) for split in ("validation", "test")}
    probabilities = {split: torch.sigmoid(z.double()).numpy() for split, z in said.items()}
    thresholds = [threshold(probabilities["validation"][:, i], y["validation"][:, i]) for i in range(len(names))]
    f1 = lambda right, given, average: metrics.f1_score(right, given, average=average, zero_division=0)
    scores = lambda right, given: {"microF1": f1(right, given, "micro"), "macroF1": f1(right, given, "macro"), "exactMatch": metrics.accuracy_score(right, given)}
    given = {split: (probabilities[split] >= thresholds).astype(int) for split in said}
    share = y["train"].mean(0)
    usual = (share >= 0.5).astype(int) if (share >= 0.5).any() else np.eye(len(names), dtype=int)[share.argmax()]
    return {
        "plan": headed("multi-label", name), "losses": losses,
        "scores": {split: {**scores(y[split], given[split]), "loss": bce(said[split], y[split]).item()} for split in said},
        "baseline": {split: scores(y[split], np.tile(usual, (len(y[split]), 1))) for split in said},
        "thresholds": dict(zip(names, thresholds)),
        "answers": [{"labels": [label for label, has in zip(names, own) if has], "probabilities": dict(zip(names, row))}
                    for own, row in zip(given["test"].tolist(), probabilities["test"].tolist())],
    }


def token_classification():
    names = ["O", "B-part", "I-part", "B-view", "I-view"]
    read = tokens("bert")

    def batch(split):
        """ids, mask, labels of first tokens, and their places"""
        sequences, labels, places = [], [], []
        for words, own in zip(column("tagged", split, "tokens"), column("tagged", split, "labels")):
            made = read.encode(words, is_pretokenized=True)
            at = [made.word_ids.index(word) for word in range(len(words))]
            sequences.append(made.ids)
            labels.append([names.index(own[made.word_ids[i]]) if i in at else -100 for i in range(len(made.ids))])
            places.append(at)
        ids, mask = batched(sequences)
        return ids, mask, batched(labels, -100)[0], places

    trained = bert("bert", len(names))
    logits = lambda ids, mask: trained.head(trained.model(input_ids=ids, attention_mask=mask).last_hidden_state)
    cross = lambda z, y: torch.nn.functional.cross_entropy(z.transpose(1, 2), y)
    ids, mask, labels, _ = batch("train")
    # enough that some words are found, and not all
    losses = trained.train(lambda: cross(logits(ids, mask), labels), 20, 0.4)
    scores, answers = {}, []
    for split in ("validation", "test"):
        ids, mask, labels, places = batch(split)
        with torch.no_grad():
            z = logits(ids, mask)
        right, given = column("tagged", split, "labels"), []
        for row, at in enumerate(places):
            own = torch.log_softmax(z[row, at].double(), -1)
            best = max(possible(len(at), names), key=lambda path: sum(own[i, label].item() for i, label in enumerate(path)))
            given.append([names[label] for label in best])
            if split == "test":
                answers.append({"spans": spans(column("tagged", split, "tokens")[row], given[-1], [own[i, label].exp().item() for i, label in enumerate(best)])})
        scores[split] = {"f1": seqeval.f1_score(right, given), "precision": seqeval.precision_score(right, given), "recall": seqeval.recall_score(right, given),
                         "accuracy": seqeval.accuracy_score(right, given), "loss": cross(z, labels).item()}
    own = plan({"source": "bert", "task": {"kind": "token-classification"}, "head": "zeros"}, {"format": "token-classification", **files("tagged"), "maxLength": 24}, ENCODER)
    own["optimizer"]["learningRate"], own["training"]["steps"] = 0.4, 20
    return {"plan": own, "losses": losses, "scores": scores, "baseline": None, "answers": answers}


def possible(length, names):
    """All sequences that BIO allows."""
    paths = [[]]
    for _ in range(length):
        paths = [path + [label] for path in paths for label, name in enumerate(names)
                 if name[0] != "I" or (path and names[path[-1]] in ("B" + name[1:], name))]
    return paths


def spans(words, labels, probabilities):
    """As seqeval finds them, with their characters in the words joined by spaces."""
    starts = np.cumsum([0] + [len(word) + 1 for word in words]).tolist()
    return [{"text": " ".join(words[first:last + 1]), "start": starts[first], "end": starts[last + 1] - 1, "label": type,
             "score": float(np.mean(probabilities[first:last + 1]))} for type, first, last in get_entities(labels)]


def threshold(probabilities, right):
    """Half-way between two probabilities, the one with the largest F1 as scikit-learn has it; of several the nearest to a half."""
    ordered = sorted(set(probabilities.tolist()), reverse=True) + [0.0]
    candidates = [(above + below) / 2 for above, below in zip(ordered, ordered[1:])]
    f1 = [metrics.f1_score(right, probabilities >= one, zero_division=0) for one in candidates]
    best = max(f1)
    return 0.5 if best == 0 else min((one for one, own in zip(candidates, f1) if own == best), key=lambda one: abs(one - 0.5))


def embedding_plan(format, name, loss):
    model = {"source": "minilm", "task": {"kind": "embedding", "pooling": "mean", "normalize": True}}
    return plan(model, {"format": format, **files(name), "maxLength": 16}, ENCODER, loss)


def unit(vectors):
    return torch.nn.functional.normalize(vectors, dim=1)


def embedding():
    trained = bert("minilm")
    vectors = lambda split, field: unit(pooled(trained, "minilm", column("related", split, field)))
    cosines = lambda split: vectors(split, "anchor") @ vectors(split, "positive").T
    contrast = lambda split: torch.nn.functional.cross_entropy(cosines(split) / 0.1, torch.arange(SPLITS[split][0]))
    losses = trained.train(lambda: contrast("train"))
    with torch.no_grad():
        scores = {split: {**ranking(split, cosines(split).double().numpy()), "loss": contrast(split).item()} for split in ("validation", "test")}
        answers = [{"vector": own} for own in vectors("test", "anchor").tolist()]
    return {"plan": embedding_plan("embedding", "related", {"temperature": 0.1}), "losses": losses, "scores": scores, "baseline": None, "answers": answers}


def ranking(split, cosines):
    """Every anchor and every text once; of an anchor's texts the nearest counts where there are several, of which there are none here."""
    texts = column("related", split, "positive")
    assert len(set(texts)) == len(texts) and len(set(column("related", split, "anchor"))) == len(texts)
    places = [int(stats.rankdata(-row, method="ordinal")[i]) for i, row in enumerate(cosines)]
    relevance = np.eye(len(texts))
    return {"recallAt1": float(np.mean([place == 1 for place in places])), "mrrAt10": float(np.mean([1 / place for place in places])),
            "ndcgAt10": metrics.ndcg_score(relevance, cosines, k=10), "recallAt10": 1.0}


def similarity(kind):
    trained = bert("minilm")
    vectors = lambda split, field: unit(pooled(trained, "minilm", column("alike", split, field)))
    cosines = lambda split: (vectors(split, "text") * vectors(split, "textPair")).sum(1)

    def loss(split):
        right = torch.tensor(column("alike", split, "score"))
        if kind == "cosine":
            return torch.nn.functional.mse_loss(cosines(split), right)
        scaled = cosines(split) / 0.05
        wrong = (right[:, None] < right[None, :])
        return torch.logsumexp(torch.cat([torch.zeros(1), (scaled[:, None] - scaled[None, :])[wrong]]), 0)

    losses = trained.train(lambda: loss("train"))
    with torch.no_grad():
        scores = {split: {"spearman": float(stats.spearmanr(cosines(split).double().numpy(), column("alike", split, "score"))[0]),
                          "loss": loss(split).item()} for split in ("validation", "test")}
        answers = [{"vector": own} for own in vectors("test", "text").tolist()]
    return {"plan": embedding_plan("similarity", "alike", {"kind": kind}), "losses": losses, "scores": scores, "baseline": None, "answers": answers}


DECODER = "model.layers.1.mlp.down_proj"


def llama():
    return Trained(LlamaForCausalLM.from_pretrained(FOLDER / "models" / "llama-tied", dtype=torch.float32), DECODER)


def answered(prompts, answers):
    """[rows, length] ids, mask, and labels: the answer and the end token, which is 2."""
    read = tokens("llama-tied")
    pairs = [(read.encode(prompt).ids, read.encode(answer, add_special_tokens=False).ids + [2]) for prompt, answer in zip(prompts, answers)]
    ids, mask = batched([prompt + answer for prompt, answer in pairs])
    labels, _ = batched([[-100] * len(prompt) + answer for prompt, answer in pairs], -100)
    return ids, mask, labels


def log_probabilities(trained, ids, mask, labels):
    """[rows, length − 1] of the labels, 0 where there is none."""
    logits = trained.model(input_ids=ids, attention_mask=mask).logits[:, :-1]
    wanted = labels[:, 1:]
    own = torch.log_softmax(logits, -1).gather(-1, wanted.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return own * (wanted >= 0), logits.argmax(-1) == wanted


def language_plan(format, name, loss=None):
    return plan({"source": "llama-tied"}, {"format": format, **files(name), "maxLength": 24}, DECODER, loss)


def causal(own, of, everything=False):
    """`of`: ids, mask and labels of a split. `everything`: all of each row is learned."""
    trained = llama()

    def measured(split):
        ids, mask, labels = of(split)
        if everything:
            labels = torch.where(mask == 1, ids, -100)
            labels[:, 0] = -100
        own, right = log_probabilities(trained, ids, mask, labels)
        counted = (labels[:, 1:] >= 0).sum()
        return -own.sum() / counted, (right.sum() / counted).item(), int(counted)

    losses = trained.train(lambda: measured("train")[0])
    with torch.no_grad():
        said = {split: measured(split) for split in ("validation", "test")}
    return {"plan": own, "losses": losses, "baseline": None, "answers": [],
            "scores": {split: {"loss": loss.item(), "perplexity": float(np.exp(loss.item())), "accuracy": right, "tokens": count}
                       for split, (loss, right, count) in said.items()}}


def completion(loss_on):
    own = language_plan("completion", "answers")
    rows_of = lambda split: answered(column("answers", split, "prompt"), column("answers", split, "completion"))
    return causal({**own, "data": {**own["data"], "lossOn": loss_on}}, rows_of, loss_on == "all")


def text():
    return causal(language_plan("text", "texts"), lambda split: answered(column("texts", split, "text"), [""] * SPLITS[split][0]), True)


def chat():
    """As the template in tokenizer_config.json writes a conversation; learned is what the assistant says, and its end."""
    read = tokens("llama-tied")

    def rows_of(split):
        said = [[message["content"] for message in own] for own in column("chats", split, "messages")]
        pairs = [(read.encode(f"<s><user> {question} </s><assistant>", add_special_tokens=False).ids,
                  read.encode(f" {answer} </s>", add_special_tokens=False).ids) for question, answer in said]
        ids, mask = batched([prompt + answer for prompt, answer in pairs])
        return ids, mask, batched([[-100] * len(prompt) + answer for prompt, answer in pairs], -100)[0]

    return causal(language_plan("chat", "chats"), rows_of)


def preference(loss):
    trained = llama()
    given = {split: [answered(column("better", split, "prompt"), column("better", split, side)) for side in ("chosen", "rejected")] for split in SPLITS}
    own = lambda split: [log_probabilities(trained, *side)[0] for side in given[split]]
    with torch.no_grad():
        before = {split: [side.sum(1) for side in own(split)] for split in SPLITS}

    def measured(split):
        chosen, rejected = own(split)
        if loss["kind"] == "dpo":
            margin = loss["beta"] * ((chosen.sum(1) - before[split][0]) - (rejected.sum(1) - before[split][1]))
            smoothing = loss["labelSmoothing"]
            each = -(1 - smoothing) * torch.nn.functional.logsigmoid(margin) - smoothing * torch.nn.functional.logsigmoid(-margin)
            return each.mean(), margin
        mean = [side.sum(1) / (labels[:, 1:] >= 0).sum(1) for side, (_, _, labels) in zip((chosen, rejected), given[split])]
        odds = [p - torch.log1p(-torch.exp(p)) for p in mean]
        ids, mask, _ = given[split][0]
        labels = torch.where(mask == 1, ids, -100)
        labels[:, 0] = -100
        cross = -log_probabilities(trained, ids, mask, labels)[0].sum() / (labels[:, 1:] >= 0).sum()
        return cross - loss["beta"] * torch.nn.functional.logsigmoid(odds[0] - odds[1]).mean(), loss["beta"] * (mean[0] - mean[1])

    losses = trained.train(lambda: measured("train")[0])
    with torch.no_grad():
        said = {split: measured(split) for split in ("validation", "test")}
    return {"plan": language_plan("preference", "better", loss), "losses": losses, "answers": [],
            "scores": {split: {"loss": value.item(), "accuracy": (margin > 0).double().mean().item(), "margin": margin.mean().item()} for split, (value, margin) in said.items()},
            "baseline": {split: {"accuracy": 0.5} for split in said}}


WRITER = "decoder.block.1.layer.2.DenseReluDense.wo"


def seq2seq():
    trained = Trained(T5ForConditionalGeneration.from_pretrained(FOLDER / "models" / "t5", dtype=torch.float32), WRITER)
    read = tokens("t5")

    def measured(split):
        ids, mask = batched([read.encode(text).ids for text in column("written", split, "source")])
        labels, _ = batched([read.encode(text).ids for text in column("written", split, "target")], -100)
        logits = trained.model(input_ids=ids, attention_mask=mask, labels=labels).logits
        loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=-100)
        return loss, ((logits.argmax(-1) == labels).sum() / (labels >= 0).sum()).item(), int((labels >= 0).sum())

    losses = trained.train(lambda: measured("train")[0])
    with torch.no_grad():
        said = {split: measured(split) for split in ("validation", "test")}
    data = {"format": "seq2seq", **files("written"), "maxLength": 16, "maxTargetLength": 6}
    usual = dummy.DummyClassifier(strategy="most_frequent").fit([[0]] * 16, column("written", "train", "target"))

    def always(split):
        right = column("written", split, "target")
        given = usual.predict([[0]] * len(right))
        return {"exactMatch": metrics.accuracy_score(right, given), "macroF1": metrics.f1_score(right, given, average="macro", zero_division=0)}

    return {"plan": plan({"source": "t5"}, data, WRITER), "losses": losses, "answers": [],
            "scores": {split: {"loss": loss.item(), "tokenAccuracy": right, "tokens": count} for split, (loss, right, count) in said.items()},
            "baseline": {split: always(split) for split in said}}


# images

CLASSES = ["cross", "ring", "stripes"]


def photos(split, size=None):
    """[rows, height, width, 3] in 0 … 255, and the classes."""
    found = [(i, path) for i, name in enumerate(CLASSES) for path in sorted((GIVEN / "photos" / split / name).iterdir())]
    opened = [Image.open(path).convert("RGB") for _, path in found]
    resized = [one if size is None else one.resize((size, size), Image.Resampling.BILINEAR) for one in opened]
    return torch.tensor(np.stack([np.asarray(one) for one in resized]).astype(np.float32)), [i for i, _ in found]


def of_classes(trained, logits, own):
    y = {split: photos(split)[1] for split in ("train", "validation")}
    losses = trained.train(lambda: torch.nn.functional.cross_entropy(logits("train"), torch.tensor(y["train"])))
    with torch.no_grad():
        said = logits("validation")
        # a network that ends with a softmax is asked for the logarithms of its probabilities
        said = (torch.log_softmax(said, -1) if isinstance(trained.model, Coloured) else said).numpy()
    answers = [{"label": CLASSES[row.argmax()], "logits": dict(zip(CLASSES, row.tolist()))} for row in said]
    return {"plan": own, "losses": losses, "scores": {"validation": class_scores(said, y["validation"])},
            "baseline": {"validation": majority(y["train"], y["validation"], 3)}, "answers": answers}


def images():
    trained = Trained(ViTModel.from_pretrained(FOLDER / "models" / "vit", dtype=torch.float32, add_pooling_layer=False), "layers.0.attention.q_proj", 3)
    pixels = lambda split: (photos(split, 16)[0] / 255 - 0.5) / 0.5
    logits = lambda split: trained.head(trained.model(pixel_values=pixels(split).permute(0, 3, 1, 2)).last_hidden_state[:, 0])
    model = {"source": "vit", "task": {"kind": "image-classification", "headInit": "zeros"}}
    data = {"format": "images", "train": "photos/train", "validation": "photos/validation"}
    return of_classes(trained, logits, plan(model, data, "layers.0.attention.q_proj"))


class Coloured(torch.nn.Module):
    """The tf.layers network of ../compatibility-kinds, from its weights.bin."""

    def __init__(self):
        super().__init__()
        manifest = json.loads((GIVEN / "coloured" / "model.json").read_text())["weightsManifest"][0]
        numbers, at, found = np.fromfile(GIVEN / "coloured" / manifest["paths"][0], dtype=np.float32), 0, {}
        for spec in manifest["weights"]:
            size = int(np.prod(spec["shape"]))
            found[spec["name"]] = torch.tensor(numbers[at:at + size].reshape(spec["shape"]))
            at += size
        self.conv, self.conv_bias = found["conv/kernel"].permute(3, 2, 0, 1), found["conv/bias"]
        self.hidden = torch.nn.Linear(*found["hidden/kernel"].shape)
        self.hidden.weight.data, self.hidden.bias.data = found["hidden/kernel"].T.contiguous(), found["hidden/bias"]
        self.scores = torch.nn.Linear(*found["scores/kernel"].shape)
        self.scores.weight.data, self.scores.bias.data = found["scores/kernel"].T.contiguous(), found["scores/bias"]

    def forward(self, pixels):
        seen = torch.relu(torch.nn.functional.conv2d(pixels.permute(0, 3, 1, 2), self.conv, self.conv_bias, stride=2))
        return self.scores(torch.relu(self.hidden(seen.permute(0, 2, 3, 1).flatten(1))))


def coloured(data):
    trained = Trained(Coloured(), "hidden")
    trained.parameters += [parameter.requires_grad_(True) for parameter in trained.model.scores.parameters()]
    logits = lambda split: trained.model(photos(split)[0] / 255)
    return of_classes(trained, logits, plan({"source": "coloured/model.json", "head": ["scores"]}, data, "hidden"))


def arrays():
    """The photos' numbers as rows."""
    for split in ("train", "validation"):
        pixels, labels = photos(split)
        given[f"rows/pixels-{split}.jsonl"] = [{"pixels": own, "kind": CLASSES[label]} for own, label in zip(pixels.int().tolist(), labels)]
    return coloured({"format": "arrays", "train": "rows/pixels-train.jsonl", "validation": "rows/pixels-validation.jsonl",
                     "input": "pixels", "label": "kind", "scale": 1 / 255})


given = {f"rows/{name}-{split}.jsonl": own for name, splits in rows.items() for split, own in splits.items()}
made = {
    "classification": classification("reviews"),
    "classification, weighed and smoothed": classification("reviews", {"classWeights": "balanced", "labelSmoothing": 0.2}),
    "classification, classes as frequent": classification("halves"),
    "regression": regression(),
    "multi-label, half of the rows": multi_label("topics"),
    "multi-label, none that half has": multi_label("seldom"),
    "token-classification": token_classification(),
    "embedding": embedding(),
    "similarity by order": similarity("cosent"),
    "similarity by cosine": similarity("cosine"),
    "completion": completion("completion"),
    "completion, prompts too": completion("all"),
    "text": text(),
    "chat": chat(),
    "preference, dpo": preference({"kind": "dpo", "beta": 0.2, "labelSmoothing": 0.1}),
    "preference, orpo": preference({"kind": "orpo", "beta": 0.3}),
    "seq2seq": seq2seq(),
    "images": images(),
    "image-arrays": coloured({"format": "image-arrays", "train": "photos/train", "validation": "photos/validation"}),
    "arrays": arrays(),
}
(FOLDER / "kinds").mkdir(exist_ok=True)
(FOLDER / "kinds" / "plans.json").write_text(json.dumps({"rows": given, "plans": made}, separators=(",", ":")) + "\n")
